/** `scraped_content.json`: work orders, nested as V1 writes them or flat as older notes have them. */
import { createHash } from 'node:crypto'
import { isList, isObject, type Json, jsonCell } from './json.ts'
import { fileOf, type NewRow, sourcesOf, stableId, uniqueIds, type V1User } from './rows.ts'
import { Source } from './source.ts'
import { momentOf } from './times.ts'

export interface WorkOrders {
  readonly rows: readonly NewRow[]
  /** Their numbers in V1. */
  readonly numbers: ReadonlySet<string>
}

/** The row that V2 knows a work order by. */
export function workOrderId(userId: string, number: string): string {
  return stableId('work_orders', userId, number)
}

export function readWorkOrders(user: V1User): WorkOrders {
  const { files, id: user_id } = user
  const file = fileOf(user, 'scraped_content.json')
  const numbers = new Set<string>()
  if (!files.has(file)) return { rows: [], numbers }
  const note = uniqueIds()
  const rows = sourcesOf(files.list(file, 'workOrders', 'work_orders'), files.place(file), 'work order').map(source => {
    const external_id = numberOf(source)
    note(external_id, source.place)
    numbers.add(external_id)
    return {
      table: 'work_orders',
      key: { user_id, external_id },
      values: { id: workOrderId(user_id, external_id), ...valuesOf(source) },
      identity: 'id',
      source: String(source.place),
    }
  })
  return { rows: [...contentRow(user, file), ...rows], numbers }
}

/** It may have both names, but not two numbers. */
function numberOf(source: Source): string {
  const number = source.required('id', 'workOrderId')
  const other = source.text('workOrderId')
  if (other !== null && other.trim() !== number)
    source.place.problem('id and workOrderId are two numbers', 'Leave only the right one')
  return number
}

/** The whole file, whatever is in it. */
function contentRow({ files, id: user_id }: V1User, file: string): NewRow[] {
  const value = files.json(file)
  if (value === undefined) return []
  const content = JSON.stringify(value)
  const checksum = createHash('sha256').update(content).digest('hex')
  const metadata = isObject(value) && isObject(value['metadata']) ? value['metadata'] : {}
  const created_at = new Source(metadata, files.place(file).in('metadata')).moment('timestamp')
  return [
    {
      table: 'user_scraped_content',
      key: { user_id, content_type: 'work_orders', checksum },
      values: { content, ...(created_at === null ? {} : { created_at }) },
      source: file,
    },
  ]
}

function valuesOf(source: Source) {
  return {
    ...customerOf(source),
    ...visitOf(source),
    ...servicesOf(source),
    status: source.text('status') ?? 'pending',
    work_type: source.text('workType'),
    notes: source.text('notes'),
    instructions: source.text('instructions'),
    created_date: source.moment('createdDate'),
    created_by: source.text('createdBy'),
    scraped_data: JSON.stringify(source.object),
    sync_retry_count: 0,
  }
}

function customerOf(source: Source) {
  const customer = source.inner('customer') ?? source
  const named = customer === source ? source.text('customerName', 'siteName', 'customer') : customer.text('name')
  if (named === null || named.trim() === '')
    source.place.problem('the name of its customer is missing', 'Add it, or remove the record')
  const place = customer.inner('address') ?? source.inner('address')
  const parts = place ?? source
  const street = parts.text('street')
  const city_state = parts.text('cityState')
  const whole = place === undefined ? (customer.text('address') ?? source.text('address')) : null
  const joined = [street, city_state].filter(part => part !== null && part !== '').join(', ')
  return {
    site_name: named ?? '',
    address: whole ?? (joined === '' ? null : joined),
    street,
    city_state,
    county: parts.text('county'),
    store_number: customer.text('storeNumber') ?? source.text('storeNumber'),
    customer_url: customer.text('storeUrl', 'customerUrl') ?? source.text('customerUrl'),
  }
}

function visitOf(source: Source) {
  const visit = source.strictly('visits')?.strictly('nextVisit')
  const visit_url = visit?.text('url') ?? source.text('visitUrl')
  const inUrl = /\/visits\/(\d+)/.exec(visit_url ?? '')?.[1] ?? null
  return {
    scheduled_date: (visit && scheduled(visit, 'date', 'time')) ?? scheduled(source, 'scheduledDate', 'scheduledTime'),
    visit_id: visit?.text('visitId') ?? source.text('visitId') ?? inUrl,
    visit_url,
    visit_number: source.text('visitNumber') ?? inUrl,
  }
}

/** The time may stand beside the date. */
function scheduled(source: Source, date: string, time: string): string | null {
  const [day, hour] = [source.text(date), source.text(time)]
  if (day === null || day === '') return null
  const isWhole = hour === null || hour === '' || /:/.test(day)
  const moment = momentOf(isWhole ? day : `${day.trim()}${/\//.test(day) ? ' ' : 'T'}${hour.trim()}`)
  if (moment === undefined)
    source.place.problem(`${date}, with ${time}, is no date`, 'Write MM/DD/YYYY with HH:MM, or ISO 8601')
  return moment ?? null
}

function servicesOf(source: Source) {
  const services: Json | undefined = source.take('services', 'serviceItems')
  const [first] = isList(services) ? sourcesOf(services.slice(0, 1), source.place, 'service') : []
  return {
    service_items: jsonCell(services),
    service_code: first?.text('code') ?? source.text('serviceCode'),
    service_description: first?.text('description') ?? source.text('serviceDescription'),
    service_name: first?.text('type') ?? source.text('serviceName'),
  }
}
