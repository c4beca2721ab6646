import type { LabGuest } from './guest.js';
import type { HostOptions } from './host.js';
import { Lab } from './lab.js';
import type { LabOptions } from './world.js';

/** What differs on the hosts although the same happens. */
export type Variant = Partial<HostOptions> & { hosts?: Record<string, HostOptions> };

/** What the report on a scenario must say beside the verdicts, owners and migrations. */
interface Expected {
  /** causes of the findings with verdict violation, sorted */
  causes?: string[];
  /** violations that the records do not prove, and legitimate calls that they leave in doubt */
  unproved?: number;
  /** of these, calls of which too little was recorded to tie them to a file */
  untold?: number;
  doubted?: number;
  /** the records do not tell which of several hosts owned the guest */
  ownerOpen?: boolean;
}

export interface Scenario extends Expected {
  lab: Lab;
}

export type Story = (variant?: Variant) => Scenario;
/** by what happens */
export type Stories = Record<string, Story>;

/** libvirt of this host runs QEMU as root */
export const ROOT: HostOptions = { uid: 0 };

/** What happens in a lab of this kind. */
export function story(options: LabOptions, tell: (lab: Lab) => Expected | undefined): Story {
  return (variant) => {
    const lab = new Lab(options, variant);
    return { lab, ...tell(lab) };
  };
}

/** What happens to vm1 of the golden captures, which has been running on hosta for some seconds. */
export function withVm1(options: LabOptions, tell: (lab: Lab, vm1: LabGuest) => Expected | undefined): Story {
  return story(options, (lab) => {
    const vm1 = lab.vm1();
    lab.wait(4000);
    return tell(lab, vm1);
  });
}
