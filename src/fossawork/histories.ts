/** What a user has done: activities, finished jobs, batches and changes. */
import { isObject, type JsonObject, jsonCell } from './json.ts'
import { fileOf, type NewRow, sourcesOf, uniqueIds, type V1User } from './rows.ts'

export function readActivities(user: V1User): NewRow[] {
  const { email, files, id: user_id } = user
  const file = fileOf(user, 'activity_log.json')
  files.warnBeside(file, 'activities')
  return sourcesOf(files.list(file, 'activities'), files.place(file)).map(source => ({
    table: 'user_activities',
    // Nothing else tells two of them apart; the very same entry may be there twice.
    key: {
      user_id,
      username: source.text('username') ?? email,
      activity_type: source.required('activity', 'activityType', 'type'),
      created_at: source.moment('timestamp', 'createdAt'),
      details: jsonCell(onlyOrAll(source.rest(), 'details')),
    },
    values: {},
    source: String(source.place),
  }))
}

export function readCompletedJobs(user: V1User): NewRow[] {
  const { files, id: user_id } = user
  const file = fileOf(user, 'completed_jobs.json')
  files.warnBeside(file, 'completedJobs', 'completed_jobs')
  const note = uniqueIds()
  return sourcesOf(files.list(file, 'completedJobs', 'completed_jobs'), files.place(file)).map(source => {
    const job_id = source.required('jobId', 'id')
    note(job_id, source.place)
    return {
      table: 'user_completed_jobs',
      key: { user_id, job_id },
      values: {
        work_order_id: source.text('workOrderId'),
        completion_date: source.moment('completionDate', 'completedAt', 'completedDate'),
        job_data: JSON.stringify(source.object),
        removal_reason: source.text('removalReason', 'reason'),
      },
      source: String(source.place),
    }
  })
}

export function readBatches(user: V1User): NewRow[] {
  const { files, id: user_id } = user
  const file = fileOf(user, 'batch_history.json')
  files.warnBeside(file, 'batches')
  const note = uniqueIds()
  return sourcesOf(files.list(file, 'batches'), files.place(file)).map(source => {
    const batch_id = source.required('batchId', 'id')
    note(batch_id, source.place)
    return {
      table: 'user_batch_history',
      key: { user_id, batch_id },
      values: {
        // V1 does not say it, and V2 has to have one.
        batch_type: source.text('batchType', 'type') ?? 'unknown',
        work_orders: jsonCell(source.take('workOrders')),
        started_at: source.moment('startedAt', 'timestamp'),
        completed_at: source.moment('completedAt'),
        status: source.text('status') ?? 'pending',
        results: jsonCell(onlyOrAll(source.rest(), 'results')),
      },
      source: String(source.place),
    }
  })
}

export function readChanges(user: V1User): NewRow[] {
  const { files, id: user_id } = user
  const file = fileOf(user, 'change_history.json')
  files.warnBeside(file, 'changes')
  const note = uniqueIds()
  return sourcesOf(files.list(file, 'changes'), files.place(file)).map(source => {
    const change_id = source.required('changeId', 'id')
    note(change_id, source.place)
    const values = {
      entity_type: source.required('entityType', 'type'),
      entity_id: source.text('entityId') ?? source.text('workOrderId') ?? source.text('storeId'),
      before_data: jsonCell(source.take('beforeData', 'before')),
      change_reason: source.text('changeReason', 'description', 'reason'),
      changed_by: source.text('changedBy', 'username'),
      created_at: source.moment('timestamp', 'createdAt'),
    }
    const after = source.take('afterData', 'after')
    const rest = source.rest()
    if (rest !== undefined && after !== undefined)
      for (const name of Object.keys(rest)) source.place.warn(`${name} has no place in V2 and is left out`)
    return {
      table: 'user_change_history',
      key: { user_id, change_id },
      values: { ...values, after_data: jsonCell(after ?? rest) },
      source: String(source.place),
    }
  })
}

/** What no column is for: under its own name where that is all, or else all of it. */
function onlyOrAll(rest: JsonObject | undefined, name: string) {
  if (rest === undefined || !(name in rest) || Object.keys(rest).length > 1) return rest
  return isObject(rest[name]) ? rest[name] : rest
}
