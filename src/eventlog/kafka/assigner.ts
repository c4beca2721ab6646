import kafkajs, { type GroupMember, type PartitionAssigner } from 'kafkajs';

const { AssignerProtocol } = kafkajs;

const NAME = 'migration-audit-sticky';
const VERSION = 1;

/**
 * Shares out the partitions of a topic evenly, each to whoever has it already where that is possible: a partition that
 * moves costs the reading of its state.
 *
 * @param owned the partitions that this member has now
 */
export function stickyAssigner(owned: () => readonly number[]): PartitionAssigner {
  return ({ cluster }) => ({
    name: NAME,
    version: VERSION,
    protocol: ({ topics }) => ({
      name: NAME,
      metadata: AssignerProtocol.MemberMetadata.encode({
        version: VERSION,
        topics,
        userData: Buffer.from(JSON.stringify(owned())),
      }),
    }),
    assign: async ({ members, topics }) => {
      const wishes = new Map(members.map((member) => [member.memberId, wishOf(member)]));
      const shares = new Map<string, Record<string, number[]>>();
      for (const topic of topics) {
        const partitions = cluster
          .findTopicPartitionMetadata(topic)
          .map(({ partitionId }) => partitionId)
          .sort((a, b) => a - b);
        for (const [member, share] of shareOut(partitions, wishes))
          shares.set(member, { ...shares.get(member), [topic]: share });
      }
      return [...shares].map(([memberId, assignment]) => ({
        memberId,
        memberAssignment: AssignerProtocol.MemberAssignment.encode({
          version: VERSION,
          assignment,
          userData: Buffer.alloc(0),
        }),
      }));
    },
  });
}

/** Two that claim the same partition are told apart by their order; who comes too late gets another one. */
export function shareOut(
  partitions: readonly number[],
  wishes: ReadonlyMap<string, readonly number[]>,
): Map<string, number[]> {
  const members = [...wishes.keys()].sort();
  const shares = new Map<string, number[]>(members.map((member) => [member, []]));
  const most = Math.ceil(partitions.length / members.length);
  // so many may have `most`, or some member would get too few
  let full = partitions.length - (most - 1) * members.length;
  const left = new Set(partitions);
  for (const member of members) {
    const share = shares.get(member) as number[];
    for (const wish of wishes.get(member) ?? []) {
      const isLast = share.length === most - 1;
      if (!left.has(wish) || share.length >= most || (isLast && full === 0)) continue;
      if (isLast) full--;
      share.push(wish);
      left.delete(wish);
    }
  }
  for (const partition of left) {
    const least = members.reduce((a, b) =>
      (shares.get(b) as number[]).length < (shares.get(a) as number[]).length ? b : a,
    );
    (shares.get(least) as number[]).push(partition);
  }
  return shares;
}

/** Written by another process, so it may be anything. */
function wishOf({ memberMetadata }: GroupMember): number[] {
  try {
    const text = AssignerProtocol.MemberMetadata.decode(memberMetadata)?.userData.toString() ?? '';
    const wish: unknown = JSON.parse(text);
    return Array.isArray(wish) ? wish.filter(Number.isInteger) : [];
  } catch {
    return [];
  }
}
