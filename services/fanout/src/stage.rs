//! The trace of an event goes through here.

use angarium_kafka::Record;
use angarium_runtime::trace::{Span, TraceContext};
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;

use crate::matching::Summary;

/// This stage of an event's trace, recorded when all its records were handed to the producer.
pub(crate) struct Stage(Option<Span>);

impl Stage {
    pub(crate) fn of(record: &Record, summary: &Summary, records: usize) -> Self {
        let came = record.header(TraceContext::HEADER).and_then(TraceContext::parse);
        Self(came.map(|came| {
            let mut span = Span::begin("process events", SpanKind::Consumer, &Some(came).into());
            if span.is_recording() {
                let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
                span.say([
                    KeyValue::new("messaging.system", "kafka"),
                    KeyValue::new("messaging.operation.type", "process"),
                    KeyValue::new("messaging.kafka.offset", record.offset),
                    KeyValue::new("messaging.destination.partition.id", record.partition.to_string()),
                    KeyValue::new("angarium.account.id", summary.account.to_string()),
                    KeyValue::new("angarium.event.type", summary.name.to_string()),
                    KeyValue::new("angarium.lane", summary.lane.as_str()),
                    KeyValue::new("angarium.webhooks.matched", count(summary.matched.active.len())),
                    KeyValue::new("angarium.deliveries", count(records)),
                ]);
            }
            span
        }))
    }

    pub(crate) fn header(&self) -> Option<String> {
        self.0.as_ref()?.context().map(|context| context.header())
    }
}
