-- description: Rate limiting, with its default rules
-- depends: v001_initial_schema, v002_add_security_tables

-- migrate:up

-- A rule is a limit: so many requests in a window of so many seconds, and how many of them at once (burst).
-- endpoint_pattern is a path or a prefix with *; no method means any.
CREATE TABLE rate_limit_rules (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name VARCHAR(100) NOT NULL UNIQUE,
  endpoint_pattern VARCHAR(255),
  method VARCHAR(10),
  max_requests INTEGER NOT NULL,
  window_seconds INTEGER NOT NULL,
  burst_size INTEGER,
  applies_to VARCHAR(50) DEFAULT 'all',
  user_tier VARCHAR(50),
  is_active BOOLEAN DEFAULT TRUE,
  description TEXT,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);

-- The state of the limits, and what happened at them.
CREATE TABLE rate_limit_buckets (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  bucket_key VARCHAR(255) NOT NULL UNIQUE,
  rule_id INTEGER NOT NULL,
  tokens FLOAT NOT NULL,
  last_refill TIMESTAMP NOT NULL,
  total_requests INTEGER DEFAULT 0,
  total_rejected INTEGER DEFAULT 0,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  FOREIGN KEY (rule_id) REFERENCES rate_limit_rules (id)
);
CREATE INDEX idx_rate_limit_buckets_key ON rate_limit_buckets (bucket_key);

CREATE TABLE rate_limit_violations (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id VARCHAR(32),
  ip_address VARCHAR(45) NOT NULL,
  endpoint VARCHAR(255) NOT NULL,
  method VARCHAR(10),
  rule_id INTEGER,
  requests_made INTEGER,
  limit_exceeded_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  blocked_until TIMESTAMP,
  violation_count INTEGER DEFAULT 1,
  metadata_json TEXT,
  FOREIGN KEY (user_id) REFERENCES users (id),
  FOREIGN KEY (rule_id) REFERENCES rate_limit_rules (id)
);
CREATE INDEX idx_rate_limit_violations_user ON rate_limit_violations (user_id);
CREATE INDEX idx_rate_limit_violations_ip ON rate_limit_violations (ip_address);
CREATE INDEX idx_rate_limit_violations_time ON rate_limit_violations (limit_exceeded_at);

CREATE TABLE throttle_events (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  event_type VARCHAR(50) NOT NULL,
  user_id VARCHAR(32),
  ip_address VARCHAR(45),
  endpoint VARCHAR(255),
  reason VARCHAR(255),
  duration_seconds INTEGER,
  requests_dropped INTEGER,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  metadata_json TEXT,
  FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX idx_throttle_events_user ON throttle_events (user_id);
CREATE INDEX idx_throttle_events_created ON throttle_events (created_at);

CREATE TABLE api_quotas (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id VARCHAR(32),
  tier VARCHAR(50) DEFAULT 'free',
  endpoint_group VARCHAR(100),
  daily_limit INTEGER,
  monthly_limit INTEGER,
  daily_used INTEGER DEFAULT 0,
  monthly_used INTEGER DEFAULT 0,
  reset_daily_at TIMESTAMP,
  reset_monthly_at TIMESTAMP,
  overage_allowed BOOLEAN DEFAULT FALSE,
  overage_rate FLOAT,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX idx_api_quotas_user ON api_quotas (user_id);

-- The default rules. Their ids and times are written out so that every database has the same rows.
INSERT INTO rate_limit_rules
  (id, name, endpoint_pattern, method, max_requests, window_seconds, burst_size, applies_to, user_tier,
   created_at, updated_at)
SELECT *, '2025-01-01 00:00:00', '2025-01-01 00:00:00'
FROM (VALUES
  (1, 'login_attempt', '/api/auth/login', 'POST', 5, 300, 2, 'ip', NULL),
  (2, 'password_reset', '/api/auth/reset-password', 'POST', 3, 3600, 1, 'ip', NULL),
  (3, 'register', '/api/auth/register', 'POST', 3, 3600, 1, 'ip', NULL),
  (4, 'api_general', '/api/*', NULL, 100, 60, 20, 'user', 'free'),
  (5, 'api_premium', '/api/*', NULL, 1000, 60, 100, 'user', 'premium'),
  (6, 'api_enterprise', '/api/*', NULL, 10000, 60, 500, 'user', 'enterprise'),
  (7, 'scraping', '/api/scraping/*', NULL, 10, 300, 2, 'user', NULL),
  (8, 'automation', '/api/automation/*', NULL, 20, 300, 5, 'user', NULL),
  (9, 'bulk_operations', '/api/bulk/*', NULL, 5, 600, 1, 'user', NULL),
  (10, 'public_api', '/api/public/*', NULL, 10, 3600, 2, 'ip', NULL)
);

-- migrate:down

DROP TABLE api_quotas;
DROP TABLE throttle_events;
DROP TABLE rate_limit_violations;
DROP TABLE rate_limit_buckets;
DROP TABLE rate_limit_rules;
