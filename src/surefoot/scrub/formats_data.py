"""Secrets of databases, of those who watch over systems, and the forms that belong to nobody: JSON web
tokens, private keys."""

from __future__ import annotations

from .format import Format, mixed

__all__ = ["FORMATS"]

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

FORMATS = (
    Format("jwt", "eyJ", r"[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]{0,}){0,3}", "https://www.rfc-editor.org/rfc/rfc7519"),
    Format("paseto", "v1. v2. v3. v4.", r"(?:local|public)\.[A-Za-z0-9_-]{30,}(?:\.[A-Za-z0-9_-]{1,})?", "https://github.com/paseto-standard/paseto-spec"),
    Format("macaroon", "MDA", r"[A-Za-z0-9_-]{100,}={0,2}", "https://github.com/rescrv/libmacaroons", r"\bMDA[A-Za-z0-9_-]{4}"),
    Format("planetscale token", "pscale_tkn_ pscale_oauth_ pscale_pw_", r"[A-Za-z0-9_.=-]{32,64}", "https://planetscale.com/docs/concepts/service-tokens"),
    Format("supabase token", "sbp_", r"(?:oauth_|v0_)?[0-9a-f]{40}", "https://supabase.com/docs/reference/api/introduction"),
    Format("supabase secret key", "sb_secret_", r"[A-Za-z0-9_-]{20,60}", "https://supabase.com/docs/guides/api/api-keys"),
    Format("neon key", "napi_", r"[a-z0-9]{40,80}", "https://neon.com/docs/manage/api-keys"),
    Format("neon password", "npg_", r"[A-Za-z0-9]{10,24}", "https://neon.com/docs/manage/roles"),
    Format("mongodb atlas secret", "mdb_sa_sk_", r"[A-Za-z0-9_-]{30,60}", "https://www.mongodb.com/docs/atlas/api/service-accounts-overview/"),
    Format("elastic key", "essu_", r"[A-Za-z0-9+/=_-]{40,120}", "https://www.elastic.co/docs/deploy-manage/api-keys/elastic-cloud-api-keys"),
    Format("xata key", "xau_", r"[A-Za-z0-9]{20,60}", "https://xata.io/docs"),
    Format("tinybird token", "p.eyJ", r"[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,80}", "https://www.tinybird.co/docs/get-started/administration/auth-tokens"),
    Format("aiven token", "aivenv1", r"[A-Za-z0-9+/=_-]{60,}", "https://aiven.io/docs/platform/concepts/authentication-tokens"),
    Format("confluent secret", "cflt", r"[A-Za-z0-9+/]{56,64}", "https://docs.confluent.io/cloud/current/security/authenticate/workload-identities/service-accounts/api-keys/overview.html", r"\bcflt[A-Za-z0-9+/]{4}"),
    Format("timescale key", "ts_", r"[A-Za-z0-9]{40,80}", "https://docs.tigerdata.com/", r"\bts_[A-Za-z0-9]{4}"),
    Format("cockroach key", "CCDB1_", r"[A-Za-z0-9]{22}_[A-Za-z0-9]{40}", "https://www.cockroachlabs.com/docs/cockroachcloud/managing-access"),
    Format("astra token", "AstraCS:", r"[A-Za-z0-9]{20,30}:[0-9a-f]{64}", "https://docs.datastax.com/en/astra-db-serverless/administration/manage-application-tokens.html"),
    Format("influxdb token", "", r"(?i:influx)[^\r\n]{0,30}?\b([A-Za-z0-9_-]{86}==)", "https://docs.influxdata.com/influxdb/cloud/admin/tokens/", r"(?i:influx)"),
    Format("hightouch key", "", r"(?i:hightouch)[^\r\n]{0,30}?(" + _UUID + ")", "https://hightouch.com/docs/developer-tools/api-guide", r"(?i:hightouch)"),
    Format("dynatrace token", "dt0", r"[a-z][0-9]{2}\.[A-Z0-9]{24}\.[A-Z0-9]{64}", "https://docs.dynatrace.com/docs/dynatrace-api/basics/dynatrace-api-authentication", r"dt0[a-z][0-9]{2}\."),
    Format("new relic key", "NRAK- NRAA- NRII- NRIQ- NRRA- NRSP- NRJS- NRBR-", r"[A-Za-z0-9_-]{19,42}", "https://docs.newrelic.com/docs/apis/intro-apis/new-relic-api-keys/"),
    Format("new relic license key", "", r"(?:[a-z]{2}[0-9]{2}xx)?[0-9a-f]{30,36}(?:NRAL|FFFFNRAL)", "https://docs.newrelic.com/docs/apis/intro-apis/new-relic-api-keys/", "NRAL"),
    Format("datadog client token", "pub", r"[0-9a-f]{32}", "https://docs.datadoghq.com/account_management/api-app-keys/", r"\bpub[0-9a-f]{4}"),
    Format("datadog app key", "ddapp_ ddapi_ ddpat_", r"[A-Za-z0-9]{30,60}", "https://docs.datadoghq.com/account_management/api-app-keys/"),
    Format("honeycomb key", "", r"hc[a-z]{1,2}[ilx]k_[a-z0-9]{58}", "https://docs.honeycomb.io/configure/environments/manage-api-keys/", r"hc[a-z]{1,2}[ilx]k_"),
    Format("grafana token", "glsa_", r"[A-Za-z0-9]{32}_[0-9a-fA-F]{8}", "https://grafana.com/docs/grafana/latest/administration/service-accounts/"),
    Format("grafana cloud token", "glc_", r"[A-Za-z0-9+/]{32,}={0,3}", "https://grafana.com/docs/grafana-cloud/account-management/authentication-and-permissions/access-policies/"),
    Format("grafana key", "eyJrIjoi", r"[A-Za-z0-9+/_-]{40,}={0,3}", "https://grafana.com/docs/grafana/latest/administration/service-accounts/migrate-api-keys/"),
    Format("sentry token", "sntryu_ sntrya_ sntryi_", r"[0-9a-f]{64}", "https://docs.sentry.io/api/auth/"),
    Format("sentry organization token", "sntrys_", r"[A-Za-z0-9+/=_-]{60,}", "https://docs.sentry.io/account/auth-tokens/"),
    Format("sentry dsn", "", r"://([0-9a-f]{32}(?::[0-9a-f]{32})?)@[a-z0-9.-]{3,80}/[0-9]{1,20}", "https://docs.sentry.io/concepts/key-terms/dsn-explainer/", r"://[0-9a-f]{6}"),
    Format("pagerduty key", "u+", r"[A-Za-z0-9_-]{18}", "https://support.pagerduty.com/main/docs/api-access-keys", r"\bu\+[A-Za-z0-9_-]{4}"),
    Format("pagerduty token", "pdus+ pdeu+", r"[A-Za-z0-9_+-]{20,80}", "https://developer.pagerduty.com/docs/authentication"),
    Format("splunk or opsgenie token", "", r"(?i:splunk|opsgenie|geniekey)[^\r\n]{0,40}?(" + _UUID + ")", "https://docs.splunk.com/Documentation/Splunk/latest/Data/UsetheHTTPEventCollector", r"(?i:splunk|opsgenie|geniekey)"),
    Format("sumo logic key", "su", r"[A-Za-z0-9]{12}", "https://help.sumologic.com/docs/manage/security/access-keys/", r"(?i:sumo)", mixed),
    Format("logz or loggly token", "", r"(?i:logzio|logz\.io|loggly)[^\r\n]{0,40}?([A-Za-z]{32}|" + _UUID + ")", "https://docs.logz.io/docs/user-guide/admin/authentication-tokens/", r"(?i:logzio|logz\.io|loggly)"),
    Format("rollbar or bugsnag key", "", r"(?i:rollbar|bugsnag|airbrake)[^\r\n]{0,30}?\b([0-9a-f]{32})\b", "https://docs.rollbar.com/docs/access-tokens", r"(?i:rollbar|bugsnag|airbrake)"),
    Format("axiom token", "xaat- xapt-", _UUID, "https://axiom.co/docs/reference/tokens"),
    Format("uptimerobot key", "ur u m", r"[0-9]{6,9}-[0-9a-f]{24}", "https://uptimerobot.com/api/", r"\b(?:ur?|m)[0-9]{6}"),
    Format("checkly key", "cu_", r"[0-9a-f]{32}", "https://www.checklyhq.com/docs/accounts-and-users/creating-api-key/"),
    Format("segment token", "sgp_", r"[A-Za-z0-9]{60,80}", "https://segment.com/docs/api/public-api/"),
    Format("vault batch token", "AAAAAQ", r"[A-Za-z0-9_-]{80,}", "https://developer.hashicorp.com/vault/docs/concepts/tokens", r"\bAAAAAQ[A-Za-z0-9_-]{4}"),
    Format("ansible vault", "$ANSIBLE_VAULT;", r"[0-9.]{3};[A-Z0-9]+(?:;[A-Za-z0-9_.-]+)?(?:(?:[ \t]*\r?\n|\\r?\\n|\\n)[ \t]*[0-9a-f]{2,80})+", "https://docs.ansible.com/ansible/latest/vault_guide/vault_encrypting_content.html"),
    Format("okta token", "", r"(?i:okta|ssws)[^\r\n]{0,30}?\b(00[A-Za-z0-9_-]{40})", "https://developer.okta.com/docs/guides/create-an-api-token/main/", r"(?i:okta|ssws)"),
    Format("duo key", "", r"(?i:duo)[^\r\n]{0,30}?\b(DI[A-Z0-9]{18}|[A-Za-z0-9]{40})\b", "https://duo.com/docs/adminapi", r"(?i:\bduo[_ -])"),
    Format("hashed password", "", r"\$(?:2[abxy]?\$[0-9]{2}\$[./A-Za-z0-9]{53}|argon2(?:id|i|d)\$[^\s\"']{20,}|[156]\$[./A-Za-z0-9]{1,20}\$[./A-Za-z0-9]{20,90}|y\$[./A-Za-z0-9]{2,8}\$[./A-Za-z0-9]{1,30}\$[./A-Za-z0-9]{43}|scrypt\$[^\s\"']{20,})", "https://man7.org/linux/man-pages/man5/crypt.5.html", r"\$(?:2[abxy]?\$[0-9]{2}\$|argon2|[156]\$|y\$|scrypt\$)"),
    Format("django or werkzeug hash", "", r"(?:pbkdf2_sha256|pbkdf2_sha1|pbkdf2:sha256|pbkdf2:sha512|scrypt):?[$:0-9]{1,20}\$[A-Za-z0-9]{8,40}\$[A-Za-z0-9+/=]{20,140}", "https://docs.djangoproject.com/en/stable/topics/auth/passwords/", r"pbkdf2[_:]sha|scrypt:"),
)  # fmt: skip
