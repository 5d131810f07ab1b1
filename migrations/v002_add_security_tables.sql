-- description: Sessions, failed log-ins, security events, access logs
-- depends: v001_initial_schema

-- migrate:up

-- Who is logged in, who tried to be, and what looked wrong.
CREATE TABLE session_tokens (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id VARCHAR(32) NOT NULL,
  token_hash VARCHAR(128) NOT NULL UNIQUE,
  token_type VARCHAR(20) DEFAULT 'access',
  expires_at TIMESTAMP NOT NULL,
  revoked BOOLEAN DEFAULT FALSE,
  revoked_at TIMESTAMP,
  revoked_reason VARCHAR(255),
  ip_address VARCHAR(45),
  user_agent TEXT,
  last_used_at TIMESTAMP,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX idx_session_tokens_user ON session_tokens (user_id);
CREATE INDEX idx_session_tokens_hash ON session_tokens (token_hash);

CREATE TABLE failed_login_attempts (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  email VARCHAR(255) NOT NULL,
  ip_address VARCHAR(45),
  user_agent TEXT,
  failure_reason VARCHAR(100),
  attempt_count INTEGER DEFAULT 1,
  locked_until TIMESTAMP,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  last_attempt_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX idx_failed_login_email ON failed_login_attempts (email);
CREATE INDEX idx_failed_login_ip ON failed_login_attempts (ip_address);

CREATE TABLE security_events (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  event_type VARCHAR(50) NOT NULL,
  severity VARCHAR(20) NOT NULL,
  user_id VARCHAR(32),
  ip_address VARCHAR(45),
  user_agent TEXT,
  endpoint VARCHAR(255),
  method VARCHAR(10),
  status_code INTEGER,
  request_data TEXT,
  response_data TEXT,
  error_message TEXT,
  stack_trace TEXT,
  session_id VARCHAR(100),
  correlation_id VARCHAR(100),
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  metadata_json TEXT,
  FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX idx_security_events_type ON security_events (event_type);
CREATE INDEX idx_security_events_user ON security_events (user_id);
CREATE INDEX idx_security_events_created ON security_events (created_at);

CREATE TABLE suspicious_activities (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  activity_type VARCHAR(100) NOT NULL,
  severity VARCHAR(20) NOT NULL,
  user_id VARCHAR(32),
  ip_address VARCHAR(45),
  details TEXT,
  detection_method VARCHAR(100),
  action_taken VARCHAR(100),
  resolved BOOLEAN DEFAULT FALSE,
  resolved_by VARCHAR(255),
  resolved_at TIMESTAMP,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  metadata_json TEXT,
  FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX idx_suspicious_user ON suspicious_activities (user_id);
CREATE INDEX idx_suspicious_type ON suspicious_activities (activity_type);

-- Who called what, and who read or changed whose data.
CREATE TABLE api_access_logs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id VARCHAR(32),
  endpoint VARCHAR(255) NOT NULL,
  method VARCHAR(10) NOT NULL,
  ip_address VARCHAR(45),
  user_agent TEXT,
  request_headers TEXT,
  request_body TEXT,
  response_status INTEGER,
  response_time_ms INTEGER,
  error_message TEXT,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX idx_api_access_user ON api_access_logs (user_id);
CREATE INDEX idx_api_access_endpoint ON api_access_logs (endpoint);

CREATE TABLE data_access_audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id VARCHAR(32) NOT NULL,
  resource_type VARCHAR(100) NOT NULL,
  resource_id VARCHAR(100),
  action VARCHAR(50) NOT NULL,
  old_value TEXT,
  new_value TEXT,
  ip_address VARCHAR(45),
  user_agent TEXT,
  reason TEXT,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX idx_data_audit_user ON data_access_audit (user_id);
CREATE INDEX idx_data_audit_resource ON data_access_audit (resource_type, resource_id);

-- migrate:down

DROP TABLE data_access_audit;
DROP TABLE api_access_logs;
DROP TABLE suspicious_activities;
DROP TABLE security_events;
DROP TABLE failed_login_attempts;
DROP TABLE session_tokens;
