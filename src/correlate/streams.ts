/** Streams that show vCPUs stop and run; either is enough. */
export const LIFECYCLE_STREAMS = ['virsh-event', 'qemu-monitor-event'] as const;

/** Streams that show QEMU start and end; either is enough. */
export const START_STOP_STREAMS = ['audit', 'virsh-event'] as const;
