//! What is on the dashboards. A scenario asks a real Prometheus each query over real services.

use super::{Board, Panel, Row};

pub(super) const ALL: &[Board] = &[OVERVIEW, INGEST, REGISTRY, FANOUT, DELIVERY];

const OVERVIEW: Board = Board {
    name: "angarium-overview",
    title: "Angarium / Overview",
    rows: &[
        Row {
            title: "What customers feel",
            panels: &[
                Panel {
                    title: "Accepted and delivered",
                    tells: "Events a second that ingest acknowledged, and that receivers confirmed: of one that many webhooks want, many.",
                    unit: "ops",
                    queries: &[
                        ("sum(rate(angarium_ingest_events_total[5m]))", "accepted"),
                        (
                            "sum by (angarium_lane) (rate(angarium_delivery_events_total[5m]))",
                            "delivered, {{angarium_lane}}",
                        ),
                    ],
                },
                Panel {
                    title: "Acceptance to 2xx",
                    tells: "Real-time events of webhooks that keep up. Runbook: delivers-late.",
                    unit: "s",
                    queries: &[
                        (
                            "histogram_quantile(0.5, sum by (le) (rate(angarium_delivery_latency_seconds_bucket{angarium_lane=\"realtime\",angarium_call_class=\"live\"}[5m])))",
                            "p50",
                        ),
                        (
                            "histogram_quantile(0.99, sum by (le) (rate(angarium_delivery_latency_seconds_bucket{angarium_lane=\"realtime\",angarium_call_class=\"live\"}[5m])))",
                            "p99",
                        ),
                    ],
                },
                Panel {
                    title: "Promises",
                    tells: "The share of events that came later than 5 s, and of requests that ingest turned away for reasons of ours, in the last hour.",
                    unit: "percentunit",
                    queries: &[
                        ("angarium:delivered_late:ratio_rate1h", "late"),
                        ("angarium:refused_by_us:ratio_rate1h", "refused by us"),
                    ],
                },
                Panel {
                    title: "Webhooks",
                    tells: "By where they stand. Failing ones are their receivers' matter, unless it is many at once. Runbook: many-webhooks-fail.",
                    unit: "short",
                    queries: &[(
                        "sum by (angarium_state) (angarium_delivery_webhooks)",
                        "{{angarium_state}}",
                    )],
                },
                Panel {
                    title: "Oldest event that is not delivered",
                    tells: "Of webhooks that are on. At 7 days it expires (D5). Runbook: events-expire.",
                    unit: "s",
                    queries: &[(
                        "max by (angarium_lane) (angarium_delivery_oldest_undelivered_seconds)",
                        "{{angarium_lane}}",
                    )],
                },
                Panel {
                    title: "Not delivered for good",
                    tells: "Events an hour that expired (D5), that Kafka removed too early, or that were put aside as refused.",
                    unit: "short",
                    queries: &[
                        ("sum(increase(angarium_delivery_expired_total[1h]))", "expired"),
                        ("sum(increase(angarium_delivery_removed_total[1h]))", "removed"),
                        (
                            "sum(increase(angarium_delivery_dead_letters_total[1h]))",
                            "put aside",
                        ),
                    ],
                },
            ],
        },
        Row {
            title: "What waits",
            panels: &[
                Panel {
                    title: "Behind, in time",
                    tells: "Age of what each group read last, while anything waits. Runbook: consumer-behind.",
                    unit: "s",
                    queries: &[(
                        "max by (messaging_consumer_group_name) (angarium_kafka_consumer_lag_time_seconds{messaging_consumer_group_name!~\".*[.]registry\"})",
                        "{{messaging_consumer_group_name}}",
                    )],
                },
                Panel {
                    title: "Behind, in records",
                    tells: "Records that are not committed.",
                    unit: "short",
                    queries: &[(
                        "sum by (messaging_consumer_group_name) (angarium_kafka_consumer_lag{messaging_consumer_group_name!~\".*[.]registry\"})",
                        "{{messaging_consumer_group_name}}",
                    )],
                },
                Panel {
                    title: "Room for calls",
                    tells: "Of what a worker may have under way, the part that is, by class; the fullest worker. Runbook: calls-saturated.",
                    unit: "percentunit",
                    queries: &[(
                        "max by (angarium_call_class) (angarium_delivery_calls_under_way / angarium_delivery_calls_limit)",
                        "{{angarium_call_class}}",
                    )],
                },
            ],
        },
        Row {
            title: "What it stands on",
            panels: &[
                Panel {
                    title: "Clients without Kafka",
                    tells: "Runbook: kafka-away.",
                    unit: "short",
                    queries: &[(
                        "sum by (job, instance) (angarium_kafka_clients_cut_off)",
                        "{{instance}}",
                    )],
                },
                Panel {
                    title: "What Kafka's producers wait, p99",
                    tells: "The slowest client's.",
                    unit: "s",
                    queries: &[(
                        "max by (job) (angarium_kafka_request_p99_seconds{angarium_kafka_client=\"producer\"})",
                        "{{job}}",
                    )],
                },
                Panel {
                    title: "Redis",
                    tells: "How long it takes for what it is asked, 99 of 100. Runbook: redis-away.",
                    unit: "s",
                    queries: &[(
                        "histogram_quantile(0.99, sum by (le, db_operation_name) (rate(db_client_operation_duration_seconds_bucket[5m])))",
                        "{{db_operation_name}}",
                    )],
                },
                Panel {
                    title: "View of the registry in force",
                    tells: "0: that service waits. Runbook: follower-waits.",
                    unit: "short",
                    queries: &[(
                        "min by (job, instance) (angarium_directory_in_force_ratio)",
                        "{{instance}}",
                    )],
                },
                Panel {
                    title: "Age of the view",
                    tells: "The registry speaks ten times a second.",
                    unit: "s",
                    queries: &[(
                        "max by (job, instance) (angarium_directory_age_seconds)",
                        "{{instance}}",
                    )],
                },
                Panel {
                    title: "Journal records that were dropped",
                    tells: "People see less of what happened. Runbook: journal-drops.",
                    unit: "ops",
                    queries: &[(
                        "sum by (error_type) (rate(angarium_journal_dropped_total[5m]))",
                        "{{error_type}}",
                    )],
                },
            ],
        },
        PROCESSES,
    ],
};

const PROCESSES: Row = Row {
    title: "Processes",
    panels: &[
        Panel {
            title: "Processors",
            tells: "How many each process uses.",
            unit: "short",
            queries: &[("rate(process_cpu_time_seconds_total[5m])", "{{job}} {{instance}}")],
        },
        Panel {
            title: "Memory",
            tells: "Physical memory of each process.",
            unit: "bytes",
            queries: &[("process_memory_usage_bytes", "{{job}} {{instance}}")],
        },
        Panel {
            title: "Open files",
            tells: "Of those that each process may have. Runbook: files-run-out.",
            unit: "percentunit",
            queries: &[(
                "process_open_file_descriptor_count / process_open_file_descriptor_limit",
                "{{job}} {{instance}}",
            )],
        },
    ],
};

const INGEST: Board = Board {
    name: "angarium-ingest",
    title: "Angarium / Ingest",
    rows: &[Row {
        title: "Events",
        panels: &[
            Panel {
                title: "Acknowledged",
                tells: "Kafka holds them; a duplicate is one that it held before (E7).",
                unit: "ops",
                queries: &[(
                    "sum by (outcome) (rate(angarium_ingest_events_total[5m]))",
                    "{{outcome}}",
                )],
            },
            Panel {
                title: "Refused",
                tells: "By reason: `overloaded` and `unavailable` are ours. Runbook: refuses-events.",
                unit: "ops",
                queries: &[(
                    "sum by (reason) (rate(angarium_ingest_refusals_total[5m]))",
                    "{{reason}}",
                )],
            },
            Panel {
                title: "Kafka takes a request's events",
                tells: "From handing them over to the last acknowledgement.",
                unit: "s",
                queries: &[
                    (
                        "histogram_quantile(0.5, sum by (le) (rate(angarium_ingest_produce_duration_seconds_bucket[5m])))",
                        "p50",
                    ),
                    (
                        "histogram_quantile(0.99, sum by (le) (rate(angarium_ingest_produce_duration_seconds_bucket[5m])))",
                        "p99",
                    ),
                ],
            },
            Panel {
                title: "Under way",
                tells: "Requests, and streams that have events under way: at 512 (`ingest.max_requests`) more are refused.",
                unit: "short",
                queries: &[("angarium_ingest_under_way", "{{instance}}")],
            },
            Panel {
                title: "Requests over HTTP, p99",
                tells: "By route and status.",
                unit: "s",
                queries: &[(
                    "histogram_quantile(0.99, sum by (le, http_route, http_response_status_code) (rate(http_server_request_duration_seconds_bucket{http_route=~\"/v1/accounts/.account./events\"}[5m])))",
                    "{{http_response_status_code}}",
                )],
            },
            Panel {
                title: "Calls over gRPC",
                tells: "A second, by method and status.",
                unit: "ops",
                queries: &[(
                    "sum by (rpc_method, rpc_response_status_code) (rate(rpc_server_call_duration_seconds_count{rpc_method=~\"angarium.event.*\"}[5m]))",
                    "{{rpc_method}} {{rpc_response_status_code}}",
                )],
            },
            Panel {
                title: "Accepted, but odd or unchecked",
                tells: "Warnings that producers were told, and events whose repeats could not be told while Redis was away.",
                unit: "ops",
                queries: &[
                    ("sum(rate(angarium_ingest_warnings_total[5m]))", "warnings"),
                    (
                        "sum(rate(angarium_ingest_idempotency_unchecked_total[5m]))",
                        "unchecked",
                    ),
                ],
            },
            Panel {
                title: "Waiting for Kafka",
                tells: "Records in the producers' queues.",
                unit: "short",
                queries: &[("sum by (job) (angarium_kafka_producer_queued)", "{{job}}")],
            },
        ],
    }],
};

const REGISTRY: Board = Board {
    name: "angarium-registry",
    title: "Angarium / Registry",
    rows: &[Row {
        title: "Accounts and webhooks",
        panels: &[
            Panel {
                title: "Webhooks",
                tells: "Those that are on, off, and switched off by delivery (D3, 410). Each registry knows all.",
                unit: "short",
                queries: &[(
                    "max by (angarium_state) (angarium_registry_webhooks)",
                    "{{angarium_state}}",
                )],
            },
            Panel {
                title: "Accounts",
                tells: "Each registry knows all.",
                unit: "short",
                queries: &[("max(angarium_registry_accounts)", "accounts")],
            },
            Panel {
                title: "Changes",
                tells: "A second: made, and not made by class. Runbook: registry-writes-fail.",
                unit: "ops",
                queries: &[
                    (
                        "sum(rate(angarium_registry_write_duration_seconds_count[5m]))",
                        "made",
                    ),
                    (
                        "sum by (error_type) (rate(angarium_registry_writes_failed_total[5m]))",
                        "{{error_type}}",
                    ),
                ],
            },
            Panel {
                title: "A change is in force everywhere after",
                tells: "A follower that does not confirm holds each up for most of a second.",
                unit: "s",
                queries: &[
                    (
                        "histogram_quantile(0.5, sum by (le) (rate(angarium_registry_write_duration_seconds_bucket[5m])))",
                        "p50",
                    ),
                    (
                        "histogram_quantile(0.99, sum by (le) (rate(angarium_registry_write_duration_seconds_bucket[5m])))",
                        "p99",
                    ),
                ],
            },
            Panel {
                title: "Followers",
                tells: "Who follows, and who has not confirmed all there is. Runbook: follower-waits.",
                unit: "short",
                queries: &[
                    (
                        "sum by (angarium_follower) (angarium_registry_followers)",
                        "{{angarium_follower}}",
                    ),
                    (
                        "sum by (angarium_follower) (angarium_registry_followers_behind)",
                        "{{angarium_follower}}, behind",
                    ),
                ],
            },
            Panel {
                title: "Calls",
                tells: "A second, by method and status.",
                unit: "ops",
                queries: &[(
                    "sum by (rpc_method, rpc_response_status_code) (rate(rpc_server_call_duration_seconds_count{rpc_method=~\"angarium.registry.*\"}[5m]))",
                    "{{rpc_method}} {{rpc_response_status_code}}",
                )],
            },
        ],
    }],
};

const FANOUT: Board = Board {
    name: "angarium-fanout",
    title: "Angarium / Fanout",
    rows: &[Row {
        title: "Matching",
        panels: &[
            Panel {
                title: "Events",
                tells: "A second, by lane and by whether any webhook wants them.",
                unit: "ops",
                queries: &[(
                    "sum by (angarium_lane, angarium_matched) (rate(angarium_fanout_events_total[5m]))",
                    "{{angarium_lane}}, wanted: {{angarium_matched}}",
                )],
            },
            Panel {
                title: "Acceptance to match",
                tells: "By the clocks of two machines.",
                unit: "s",
                queries: &[
                    (
                        "histogram_quantile(0.5, sum by (le) (rate(angarium_fanout_delay_seconds_bucket[5m])))",
                        "p50",
                    ),
                    (
                        "histogram_quantile(0.99, sum by (le) (rate(angarium_fanout_delay_seconds_bucket[5m])))",
                        "p99",
                    ),
                ],
            },
            Panel {
                title: "Records for delivery",
                tells: "A second: one of an event and partition.",
                unit: "ops",
                queries: &[(
                    "sum by (angarium_lane) (rate(angarium_fanout_deliveries_total[5m]))",
                    "{{angarium_lane}}",
                )],
            },
            Panel {
                title: "Behind",
                tells: "Age of what was read last, while anything waits. Runbook: consumer-behind.",
                unit: "s",
                queries: &[(
                    "max by (instance) (angarium_kafka_consumer_lag_time_seconds{messaging_destination_name=~\".*events\"})",
                    "{{instance}}",
                )],
            },
            Panel {
                title: "Filters",
                tells: "Webhooks a second whose filter refused an event, or had no answer.",
                unit: "ops",
                queries: &[(
                    "sum by (angarium_filter_outcome) (rate(angarium_fanout_filtered_total[5m]))",
                    "{{angarium_filter_outcome}}",
                )],
            },
            Panel {
                title: "Odd",
                tells: "An hour: partitions that started over, records that could not be read, types that nobody knows. Runbooks: fanout-starts-over, poison.",
                unit: "short",
                queries: &[
                    (
                        "sum(increase(angarium_fanout_restarts_total[1h]))",
                        "started over",
                    ),
                    ("sum(increase(angarium_fanout_poison_total[1h]))", "unreadable"),
                    (
                        "sum(increase(angarium_fanout_unknown_types_total[1h]))",
                        "unknown type",
                    ),
                ],
            },
        ],
    }],
};

const DELIVERY: Board = Board {
    name: "angarium-delivery",
    title: "Angarium / Delivery",
    rows: &[
        Row {
            title: "Calls",
            panels: &[
                Panel {
                    title: "Attempts that fail",
                    tells: "A second, by class. One that stands out tells where to look. Runbook: many-webhooks-fail.",
                    unit: "ops",
                    queries: &[(
                        "sum by (error_type) (rate(angarium_delivery_attempts_total{error_type!=\"\"}[5m]))",
                        "{{error_type}}",
                    )],
                },
                Panel {
                    title: "Attempts that are answered with 2xx",
                    tells: "A second.",
                    unit: "ops",
                    queries: &[(
                        "sum by (angarium_lane) (rate(angarium_delivery_attempts_total{error_type=\"\"}[5m]))",
                        "{{angarium_lane}}",
                    )],
                },
                Panel {
                    title: "How long receivers take",
                    tells: "To the end of the answer; 15 s at most (D1).",
                    unit: "s",
                    queries: &[
                        (
                            "histogram_quantile(0.5, sum by (le) (rate(http_client_request_duration_seconds_bucket[5m])))",
                            "p50",
                        ),
                        (
                            "histogram_quantile(0.99, sum by (le) (rate(http_client_request_duration_seconds_bucket[5m])))",
                            "p99",
                        ),
                    ],
                },
                Panel {
                    title: "Calls under way",
                    tells: "By class: webhooks that keep up, that are behind, retries. Each has room of its own.",
                    unit: "short",
                    queries: &[
                        (
                            "sum by (angarium_call_class) (angarium_delivery_calls_under_way)",
                            "{{angarium_call_class}}",
                        ),
                        (
                            "sum by (angarium_call_class) (angarium_delivery_calls_limit)",
                            "{{angarium_call_class}}, the most",
                        ),
                    ],
                },
                Panel {
                    title: "Acceptance to 2xx by class, p99",
                    tells: "What waited for its receiver is `retry` and `catch_up`.",
                    unit: "s",
                    queries: &[(
                        "histogram_quantile(0.99, sum by (le, angarium_call_class) (rate(angarium_delivery_latency_seconds_bucket[5m])))",
                        "{{angarium_call_class}}",
                    )],
                },
                Panel {
                    title: "Retries that wait for their turn",
                    tells: "How long the one has been due that is due for longest. Runbook: retries-wait.",
                    unit: "s",
                    queries: &[(
                        "max by (angarium_lane) (angarium_delivery_retry_overdue_seconds)",
                        "{{angarium_lane}}",
                    )],
                },
            ],
        },
        Row {
            title: "Workers",
            panels: &[
                Panel {
                    title: "Partitions",
                    tells: "How many each worker owns.",
                    unit: "short",
                    queries: &[(
                        "sum by (instance, angarium_lane) (angarium_delivery_partitions)",
                        "{{instance}} {{angarium_lane}}",
                    )],
                },
                Panel {
                    title: "Behind",
                    tells: "Age of what was read last, while anything waits. Runbook: consumer-behind.",
                    unit: "s",
                    queries: &[(
                        "max by (instance, messaging_destination_name) (angarium_kafka_consumer_lag_time_seconds{messaging_destination_name=~\".*deliveries.*\"})",
                        "{{instance}} {{messaging_destination_name}}",
                    )],
                },
                Panel {
                    title: "Queues in memory",
                    tells: "The rest waits in Kafka.",
                    unit: "bytes",
                    queries: &[
                        ("angarium_delivery_queued_bytes", "{{instance}}"),
                        ("max(angarium_delivery_queued_limit_bytes)", "the most"),
                    ],
                },
                Panel {
                    title: "Checkpoints that Redis did not take",
                    tells: "A crash would send more again. Runbook: redis-away.",
                    unit: "ops",
                    queries: &[(
                        "sum by (angarium_lane) (rate(angarium_delivery_checkpoint_failures_total[5m]))",
                        "{{angarium_lane}}",
                    )],
                },
                Panel {
                    title: "Odd",
                    tells: "An hour: records that could not be read, notices that were not written. Runbook: poison.",
                    unit: "short",
                    queries: &[
                        ("sum(increase(angarium_delivery_poison_total[1h]))", "unreadable"),
                        (
                            "sum(increase(angarium_delivery_notices_dropped_total[1h]))",
                            "notices dropped",
                        ),
                    ],
                },
            ],
        },
    ],
};
