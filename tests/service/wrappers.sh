# The example requests of user-sync.md, as they stand there. BASE, TOKEN and KEY come from the test; each prints its
# answer and its status.
curl() { command curl -sS -w '\n%{http_code}\n' "$@"; }

curl -X POST "$BASE/api/admin/users/sync" -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
      -d '{"mode": "upsert", "users": [{"externalId": "test-123", "email": "test@example.com", "firstName": "Test",
           "lastName": "User", "role": "user", "isActive": true, "orgCode": "test-org"}]}'

curl -X POST "$BASE/api/internal/sync/users" -H 'Content-Type: application/json' -H "X-Internal-API-Key: $KEY" -H 'X-Tenant-ID: test-tenant' \
      -d '{"operation": "user_sync", "tenant": {"id": "test-tenant", "name": "Test Company"},
           "users": [{"id": "test-user", "email": "test@company.com", "name": "Test User", "isActive": true}]}'
