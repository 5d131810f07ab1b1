"""Reads a V1 data folder as the specification says, without anything of Lockkeeper's, and a V2 database with the SQLite of
Python. Prints {"expected": {table: rows}, "actual": {table: rows}} with JSON columns as values."""
import hashlib, json, os, re, sqlite3, sys
from datetime import datetime, timezone

folder, database = sys.argv[1:3]


def load(*names):
    path = os.path.join(folder, *names)
    return json.load(open(path, encoding='utf-8')) if os.path.exists(path) else None


def column(moment):
    return moment.strftime('%Y-%m-%d %H:%M:%S.%f')


def utc(text):
    moment = datetime.fromisoformat(text.replace('Z', '+00:00'))
    return column(moment if moment.tzinfo is None else moment.astimezone(timezone.utc))


def either(record, camel, snake):
    return record.get(camel, record.get(snake))


def bare(value, key):
    return value if isinstance(value, list) else value[key]


expected = {}


def add(table, *row):
    expected.setdefault(table, []).append(list(row))


settings = load('settings.json')
for key, value in settings.items():
    add('global_settings', key, value if isinstance(value, (dict, list)) else {'value': value})
add('user_sessions', settings['activeUserId'], 1)

users = load('users', 'users.json')
users = users if isinstance(users, list) else [dict(user, id=key) for key, user in users.items()]
for user in users:
    if user.get('isTutorial'):
        add('tutorial_data', 'user', {key: value for key, value in user.items() if key != 'password'})
        continue
    mail, id = user['email'], user['id']
    assert hashlib.md5(mail.strip().lower().encode()).hexdigest() == id
    files = lambda name: load('users', id, name)
    notifications = user.get('notificationSettings') or files('notification_settings.json')
    add('users', id, mail, user['label'], user['friendlyName'], user['configuredEmail'], utc(user['lastUsed']), notifications, None)
    for category, name in [('email', 'email_settings'), ('pushover', 'pushover_settings'), ('prover', 'prover_preferences'),
                           ('work_week', 'work_week_preference'), ('notification', 'notification_settings')]:
        add('user_preferences', id, category, files(name + '.json'))
    provers = files('prover_preferences.json')
    week = provers['workWeekPreference'] if isinstance(provers, dict) else None
    for prover in bare(provers, 'provers'):
        add('prover_settings', id, either(prover, 'proverId', 'prover_id'), prover['serial'], prover['make'],
            either(prover, 'preferredFuelType', 'preferred_fuel_type'),
            either(prover, 'preferredFuelTypes', 'preferred_fuel_types'), prover['priority'],
            either(prover, 'fullText', 'full_text'), week)
    add('user_credentials', id, 'work_fossa', 1, 0, None)
    for activity in files('activity_log.json'):
        add('user_activities', id, activity['username'], activity['activity'], None, utc(activity['timestamp']))
    content = files('scraped_content.json')
    add('user_scraped_content', id, 'work_orders', content)
    numbers = []
    for order in content['workOrders']:
        number = either(order, 'id', 'workOrderId')
        numbers.append(number)
        if 'customer' in order:
            place, service, visit = order['customer']['address'], order['services'][0], order['visits']['nextVisit']
            when = datetime.strptime(visit['date'] + ' ' + visit['time'], '%m/%d/%Y %H:%M')
            add('work_orders', id, number, order['customer']['name'], place['street'] + ', ' + place['cityState'], column(when),
                'pending', order, order['customer']['storeNumber'], service['code'], service['description'], visit['visitId'],
                visit['url'], visit['url'].rstrip('/').split('/')[-1], order['instructions'], service['type'],
                order['services'], place['street'], place['cityState'], place['county'], order['customer']['storeUrl'], 0)
        else:
            add('work_orders', id, number, order['customerName'], order['address'], utc(order['scheduledDate']), 'pending', order,
                order['storeNumber'], order['serviceCode'], order['serviceDescription'], order['visitId'], order['visitUrl'],
                order['visitUrl'].rstrip('/').split('/')[-1], order['instructions'], None, None, None, None, None, None, 0)
    store = files('dispenser_store.json')
    for number, entry in store['dispenserData'].items():
        add('user_dispenser_data', id, number, entry['visitId'], entry, store['metadata'])
        for dispenser in entry['dispensers'] if number in numbers else []:
            which, grades, _ = dispenser['title'].split(' - ')
            add('dispensers', id, number, which, None, grades.split(', '), 'pending', 0.0, dispenser, 0, None, dispenser['make'],
                dispenser['model'], dispenser['serial'], dispenser['fields']['Meter Type'], None)
    for job in bare(files('completed_jobs.json'), 'completedJobs'):
        add('user_completed_jobs', id, job['jobId'], job['workOrderId'], utc(job['completionDate']), job, job['reason'])
    for batch in bare(files('batch_history.json') or [], 'batches'):
        rest = {key: value for key, value in batch.items() if key in ('description', 'error')}
        add('user_batch_history', id, batch['id'], 'unknown', None, rest, utc(batch['timestamp']), None, batch['status'])
    for change in bare(files('change_history.json') or [], 'changes'):
        add('user_change_history', id, change['id'], change['type'], change['storeId'], None, None, change['description'], None,
            utc(change['timestamp']))
    path = os.path.join(folder, 'users', id, 'schedule_changes.txt')
    for line in open(path, encoding='utf-8').read().splitlines() if os.path.exists(path) else []:
        add('user_schedule_changes', id, re.search('[A-Z]+', line).group().lower(), line, 0)

for name in sorted(os.listdir(os.path.join(folder, 'users', 'tutorial'))) if load('users', 'tutorial', 'email_settings.json') else []:
    add('tutorial_data', name.rsplit('.', 1)[0], load('users', 'tutorial', name))

columns = {
    'global_settings': 'setting_key, json setting_value',
    'user_sessions': 'user_id, is_active',
    'tutorial_data': 'data_type, json data',
    'users': 'id, email, label, friendly_name, configured_email, last_used, json notification_settings, json preferences_json',
    'user_preferences': 'user_id, category, json settings',
    'prover_settings': 'user_id, prover_id, serial, make, preferred_fuel_type, json preferred_fuel_types, priority, full_text, '
                       'json work_week_preference',
    'user_credentials': 'user_id, service_name, is_active, is_verified, last_verified',
    'user_activities': 'user_id, username, activity_type, json details, created_at',
    'user_scraped_content': 'user_id, content_type, json content',
    'work_orders': 'user_id, external_id, site_name, address, scheduled_date, status, json scraped_data, store_number, '
                   'service_code, service_description, visit_id, visit_url, visit_number, instructions, service_name, '
                   'json service_items, street, city_state, county, customer_url, sync_retry_count',
    'user_dispenser_data': 'user_id, work_order_id, visit_id, json dispenser_data, json meta_data',
    'dispensers': 'w.user_id, w.external_id, dispenser_number, dispenser_type, json fuel_grades, d.status, progress_percentage, '
                  'json form_data, automation_completed, json testing_requirements, make, model, serial_number, meter_type, '
                  'number_of_nozzles',
    'user_completed_jobs': 'user_id, job_id, work_order_id, completion_date, json job_data, removal_reason',
    'user_batch_history': 'user_id, batch_id, batch_type, json work_orders, json results, started_at, completed_at, status',
    'user_change_history': 'user_id, change_id, entity_type, entity_id, json before_data, json after_data, change_reason, '
                           'changed_by, created_at',
    'user_schedule_changes': 'user_id, change_type, change_text, notified',
}
db = sqlite3.connect(database)
actual = {}
for table, names in columns.items():
    names = names.split(', ')
    source = 'dispensers d JOIN work_orders w ON w.id = d.work_order_id' if table == 'dispensers' else table
    rows = db.execute('SELECT ' + ', '.join(name.removeprefix('json ') for name in names) + ' FROM ' + source).fetchall()
    read = lambda name, value: json.loads(value) if name.startswith('json ') and value is not None else value
    if rows: actual[table] = [[read(*pair) for pair in zip(names, row)] for row in rows]

# Also what nobody asked for has to be as the application would have it.
never_null = ['users.created_at', 'users.updated_at', 'work_orders.created_at', 'dispensers.updated_at', 'user_scraped_content.checksum']
for name in never_null:
    table, column_name = name.split('.')
    assert db.execute(f'SELECT count(*) FROM {table} WHERE {column_name} IS NULL').fetchone() == (0,), name
for checksum, content in db.execute('SELECT checksum, content FROM user_scraped_content'):
    assert checksum == hashlib.sha256(content.encode()).hexdigest()
assert db.execute('PRAGMA integrity_check').fetchall() == [('ok',)]
assert db.execute('PRAGMA foreign_key_check').fetchall() == []
in_order = lambda tables: {table: sorted(rows, key=lambda row: json.dumps(row, sort_keys=True)) for table, rows in tables.items()}
print(json.dumps({'expected': in_order(expected), 'actual': in_order(actual)}))
