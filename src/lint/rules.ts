/** The rules of `lint`: few, each for something that goes wrong in production and looks right in a file. */

export type Severity = 'fail' | 'warn'

export interface Rule {
  readonly severity: Severity
  /** What it finds. */
  readonly finds: string
  /** Why that is a problem. */
  readonly why: string
  /** What to do instead. */
  readonly instead: string
}

const declare = <Name extends string>(table: Readonly<Record<Name, Rule>>): Readonly<Record<Name, Rule>> => table

export const rules = declare({
  'does-not-run': {
    severity: 'fail',
    finds: 'a migration that SQLite refuses on an empty database, after those before it',
    why: 'A first install runs all of them on an empty database, and Lockkeeper learns from such a run what the schema has to be. What comes after it cannot be looked at.',
    instead: 'Mend the statement that is named.',
  },
  'row-loss': {
    severity: 'fail',
    finds: 'a `DROP TABLE`, a `DELETE` or a rebuild after which rows of a table that was there before are gone',
    why: 'The deploy stops when rows vanish without a permission; on a database without rows nothing is noticed.',
    instead:
      'If it is meant, say so in the file: `-- allow-row-loss: table`. In a rebuild, copy the rows before the old table is dropped.',
  },
  'column-loss': {
    severity: 'fail',
    finds: 'a column that is gone afterwards, dropped or left out of a rebuild; a renamed one is not',
    why: 'What is in it is gone with it, and no guard counts values. A down can bring back the column and not what was in it.',
    instead:
      'Keep it for a release or two after the application has stopped using it, or silence the rule where it is meant.',
  },
  'lost-object': {
    severity: 'fail',
    finds:
      'a table that is made anew without an index, a trigger, a foreign key or its `ON DELETE` that it had, or whose view was dropped for it and not made again',
    why: '`DROP TABLE` takes indexes and triggers along without a word. The rows are still right on the day of the deploy; what the trigger or the key would have done is missing from then on.',
    instead: 'Make them again after the rebuild. One that is to go is dropped by name: `DROP INDEX i`.',
  },
  'not-null-without-default': {
    severity: 'fail',
    finds:
      'a statement that runs on an empty table and fails on one with rows, as a column would have to be NOT NULL and there is nothing to put in',
    why: 'It passes every test on a new database and fails in production.',
    instead: "Give the column a default, or fill it in the copy of a rebuild: `coalesce(email, '')`.",
  },
  unresolved: {
    severity: 'fail',
    finds: 'a view, a trigger or a foreign key that leads nowhere afterwards',
    why: 'SQLite notices only when it is next used, which is in the application. The deploy looks, and stops.',
    instead: 'Drop the view or the trigger before the change and make it again after it.',
  },
  'broken-down': {
    severity: 'fail',
    finds: 'a down that does not run, or does not lead back to the schema that was there before the up',
    why: 'A rollback is tried out when the site is down already.',
    instead: 'Undo each statement of the up, in the opposite order.',
  },
  'rename-in-use': {
    severity: 'warn',
    finds: 'a rename of a table or a column that views or triggers use',
    why: 'SQLite rewrites their texts with it. The application that is still running uses the old name until it is replaced, and so does one that is rolled back to.',
    instead: 'Add the new name first and take the old one away in a later release.',
  },
  'if-not-exists': {
    severity: 'warn',
    finds: '`CREATE ... IF NOT EXISTS`',
    why: 'Where something of that name is there already it does nothing, whatever that is: a table made by hand with other columns goes unnoticed here, and stops the deploy later, at the check of the schema.',
    instead: 'Leave out `IF NOT EXISTS`: each migration runs once.',
  },
  'no-down': {
    severity: 'warn',
    finds: 'a migration without a down, or with an empty one',
    why: 'There is no way back but to restore the backup that was made before it, with everything that was written since.',
    instead:
      'Write the down, or silence the rule where there is none. If there is nothing to undo, the down may say `SELECT 1;`.',
  },
  'non-deterministic': {
    severity: 'warn',
    finds: "`random()`, `CURRENT_TIMESTAMP`, `datetime('now')` and the like in rows that a migration writes",
    why: 'Each database gets other rows, and a rehearsal others than the real run: what was looked at is not what is deployed.',
    instead: 'Write the value itself, or make it from what is in the row. A `DEFAULT CURRENT_TIMESTAMP` is fine.',
  },
  'unknown-rule': {
    severity: 'fail',
    finds: 'a `lint-ignore` that names no rule',
    why: 'It was meant to silence one and does not.',
    instead: 'Use one of the names on this page.',
  },
})

export type RuleName = keyof typeof rules

export function isRule(name: string): name is RuleName {
  return Object.hasOwn(rules, name)
}
