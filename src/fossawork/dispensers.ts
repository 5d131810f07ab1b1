/** `dispenser_store.json`: dispensers by work order. */
import { isList, isObject, type Json, jsonCell } from './json.ts'
import type { Place } from './report.ts'
import { fileOf, type NewRow, sourcesOf, stableId, type V1User } from './rows.ts'
import { Source } from './source.ts'
import { workOrderId } from './work-orders.ts'

/** @param numbers of the work orders that are imported */
export function readDispensers(user: V1User, numbers: ReadonlySet<string>): NewRow[] {
  const { files, id: user_id } = user
  const file = fileOf(user, 'dispenser_store.json')
  const value = files.json(file)
  if (value === undefined) return []
  const place = files.place(file)
  const data = isObject(value) ? new Source(value, place).take('dispenserData') : undefined
  if (!isObject(value) || !isObject(data)) {
    place.problem('is no object with an object dispenserData', 'Is it the right file?')
    return []
  }
  for (const name of Object.keys(value))
    if (!['dispenserData', 'dispenser_data', 'metadata'].includes(name))
      place.warn(`${name} has no place in V2 and is left out`)
  return Object.entries(data).flatMap(([number, entry]) => {
    const inside = place.in(`work order ${number}`)
    if (!isObject(entry)) {
      inside.problem('is no object', 'Mend or remove it')
      return []
    }
    const source = new Source(entry, inside)
    const row: NewRow = {
      table: 'user_dispenser_data',
      key: { user_id, work_order_id: number },
      values: {
        visit_id: source.text('visitId'),
        dispenser_data: JSON.stringify(entry),
        meta_data: jsonCell(value['metadata']),
      },
      source: String(inside),
    }
    if (numbers.has(number)) return [row, ...dispensersOf(user_id, number, source)]
    inside.warn('is not among the work orders of this user: it is kept in user_dispenser_data only')
    return [row]
  })
}

function dispensersOf(userId: string, number: string, source: Source): NewRow[] {
  const list = source.take('dispensers') ?? []
  if (!isList(list)) {
    source.place.problem('dispensers is no list', 'Mend it')
    return []
  }
  const seen = new Map<string, number>()
  return sourcesOf(list, source.place, 'dispenser').map((dispenser, at) => {
    const { place } = dispenser
    const title = titleOf(dispenser)
    const dispenser_number = dispenser.text('dispenserNumber', 'number') ?? title.number ?? String(at + 1)
    const times = (seen.get(dispenser_number) ?? 0) + 1
    seen.set(dispenser_number, times)
    return {
      table: 'dispensers',
      key: {
        work_order_id: {
          table: 'work_orders',
          where: { user_id: userId, external_id: number },
          column: 'id',
          otherwise: workOrderId(userId, number),
        },
        dispenser_number,
      },
      values: {
        id: stableId('dispensers', userId, number, dispenser_number, String(times)),
        ...valuesOf(dispenser, title.grades),
      },
      identity: 'id',
      source: String(place),
    }
  })
}

function valuesOf(dispenser: Source, grades: readonly string[] | undefined) {
  const fields = dispenser.strictly('fields')
  const field = (name: string) => fields?.text(name) ?? null
  return {
    dispenser_type: dispenser.text('dispenserType', 'type'),
    fuel_grades: jsonCell(dispenser.take('fuelGrades', 'fuelTypes') ?? (grades as Json | undefined)),
    status: dispenser.text('status') ?? 'pending',
    progress_percentage: 0,
    automation_completed: 0,
    make: dispenser.text('make'),
    model: dispenser.text('model'),
    serial_number: dispenser.text('serialNumber', 'serial'),
    meter_type: dispenser.text('meterType') ?? field('Meter Type'),
    number_of_nozzles: dispenser.text('numberOfNozzles') ?? field('Number of Nozzles'),
    form_data: JSON.stringify(dispenser.object),
  }
}

/** `1/2 - Regular, Plus, Premium - Gilbarco` */
function titleOf(dispenser: Source): { readonly number?: string; readonly grades?: readonly string[] } {
  const [, number, grades] = /^\s*(\d+(?:\/\d+)*)\s*-\s*(.+?)(?:\s+-\s+.*)?$/.exec(dispenser.text('title') ?? '') ?? []
  if (number === undefined || grades === undefined) {
    warnOfNumber(dispenser, dispenser.place)
    return {}
  }
  return { number, grades: grades.split(',').map(grade => grade.trim()) }
}

function warnOfNumber({ object }: Source, place: Place): void {
  const names = ['dispenserNumber', 'dispenser_number', 'number']
  if (!names.some(name => object[name] !== undefined && object[name] !== null))
    place.warn('has no number in its title: it gets that of its place in the list')
}
