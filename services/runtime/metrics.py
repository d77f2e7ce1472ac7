"""Every metric that leadloop has, in one place (Prometheus)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry(auto_describe=True)

_P = ("processor",)

EVENTS = Counter("leadloop_events_total", "Records that a processor worked.", _P, registry=REGISTRY)
SKIPPED = Counter(
    "leadloop_skipped_total", "Records of types that a processor does not listen to.", _P, registry=REGISTRY
)
REPETITIONS = Counter(
    "leadloop_repetitions_total", "Records dropped because they only repeated another.", _P, registry=REGISTRY
)
GROUPS = Counter("leadloop_groups_total", "Group commits.", _P, registry=REGISTRY)
GROUP_SECONDS = Histogram(
    "leadloop_group_seconds",
    "Duration of a group commit, from taking it to making it visible.",
    _P,
    registry=REGISTRY,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
SAID = Counter("leadloop_said_total", "Events that a processor said.", (*_P, "type"), registry=REGISTRY)
DEAD_LETTERED = Counter("leadloop_dead_letters_total", "Records that became dead letters.", _P, registry=REGISTRY)
REWRITTEN = Counter(
    "leadloop_states_rewritten_total", "State records written anew over a stale owner's.", _P, registry=REGISTRY
)
TIMERS = Counter("leadloop_timers_total", "TimerDue records appended.", _P, registry=REGISTRY)
TIMERS_PENDING = Gauge("leadloop_timers_pending", "Deadlines waited for.", _P, registry=REGISTRY)
LAG = Gauge("leadloop_lag_records", "Records appended and not yet worked.", _P, registry=REGISTRY)
RESTORE_SECONDS = Gauge("leadloop_restore_seconds", "Duration of the last restore.", _P, registry=REGISTRY)
PROJECTED = Counter("leadloop_projected_total", "Records applied to a projection.", ("projection",), registry=REGISTRY)
PROJECTION_SECONDS = Histogram(
    "leadloop_projection_seconds",
    "Duration of a projection's transaction.",
    ("projection",),
    registry=REGISTRY,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
REQUESTS = Counter("leadloop_http_requests_total", "HTTP requests.", ("door", "method", "status"), registry=REGISTRY)
REQUEST_SECONDS = Histogram(
    "leadloop_http_request_seconds",
    "Duration of an HTTP request.",
    ("door",),
    registry=REGISTRY,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
DELIVERIES = Counter("leadloop_deliveries_total", "Alert deliveries tried.", ("outcome",), registry=REGISTRY)
AUDITED = Gauge("leadloop_audited_timestamp_seconds", "When feedback last ended an audit by itself.", registry=REGISTRY)
AUDIT_FOUND = Gauge(
    "leadloop_audit_found",
    "What the last audit found: leads that are unaccounted, leads with two owners at once, dead letters that are open.",
    ("what",),
    registry=REGISTRY,
)
