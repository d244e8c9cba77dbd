// The versions of a turn record: the other answers of its cell. They are numbered from 1, the oldest.
// The same rules as in mm_magics/history/versions.py. A record is data of any form: nothing here throws.
import { isRecord } from './turn-state';

type TurnRecord = Readonly<Record<string, unknown>>;

/** The fields of a version that depend on where it is, which it takes from the version that was active. */
const PLACE = ['cell_id', 'thread', 'base'] as const;

function others(record: TurnRecord): TurnRecord[] {
  return Array.isArray(record['versions']) ? record['versions'].filter(isRecord) : [];
}

function newerCount(record: TurnRecord): number {
  const { newer } = record;
  return typeof newer === 'number' && newer > 0 ? Math.min(newer, others(record).length) : 0;
}

function without(record: TurnRecord, ...names: string[]): TurnRecord {
  return Object.fromEntries(Object.entries(record).filter(([name]) => !names.includes(name)));
}

function only(record: TurnRecord, ...names: string[]): TurnRecord {
  return Object.fromEntries(Object.entries(record).filter(([name]) => names.includes(name)));
}

/** Return the versions, the oldest first. */
function allVersions(record: TurnRecord): TurnRecord[] {
  const newer = newerCount(record);
  const own = without(record, 'versions', 'newer', 'undecided');
  return [...others(record).slice(0, newer), own, ...others(record).slice(newer)].reverse();
}

function comparisonId({ comparison }: TurnRecord): unknown {
  return isRecord(comparison) ? comparison['id'] : undefined;
}

/**
 * Return the answers that are shown side by side, by the number of their version: those that were asked for at once,
 * until the user has chosen one.
 */
export function comparedVersions(record: TurnRecord): ReadonlyMap<number, TurnRecord> {
  const id = comparisonId(record);
  if (record['undecided'] !== true || typeof id !== 'string') return new Map();
  const numbered = allVersions(record).map((version, at) => [at + 1, version] as const);
  return new Map(numbered.filter(([, version]) => comparisonId(version) === id));
}

/** Return the ids of the versions that are not active. */
export function versionIds(record: TurnRecord): unknown[] {
  return others(record).map(({ id }) => id);
}

/** Return how many versions there are, with the record itself. */
export function versionCount(record: TurnRecord): number {
  return others(record).length + 1;
}

/** Return the number of the active version. */
export function versionNumber(record: TurnRecord): number {
  return versionCount(record) - newerCount(record);
}

/** Return the record with another version active, or null if no version has this number. */
export function useVersion(record: TurnRecord, number: number): TurnRecord | null {
  const all = allVersions(record).reverse();
  const position = all.length - number;
  const chosen = all[position];
  if (!chosen) return null;
  return {
    ...without(chosen, 'versions', 'newer', 'undecided', ...PLACE),
    ...only(record, ...PLACE),
    versions: all.filter((_, at) => at !== position),
    ...(position > 0 ? { newer: position } : {}),
  };
}
