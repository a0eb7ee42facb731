//! The trace that an event belongs to, on its way from its producer to the receiver (W3C Trace Context).
//!
//! A `traceparent` comes with a request, goes along with the event in the headers of Kafka's records, and leaves with the POST.
//! Where telemetry exports traces, each stage adds its span in between: a [`Span`]. Where it does not, what came is passed on
//! as it was. `tracestate` is not passed on: it may be 512 bytes, of each event.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Link, Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags,
    TraceId, TraceState, Tracer as _,
};
use opentelemetry::{Context, KeyValue, global};

/// A place in a trace: whatever it stands for, something else follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace: TraceId,
    span: SpanId,
    flags: TraceFlags,
}

/// The most events that a span links to, beside the one that it follows from: the SDK's default is 128.
const MOST_LINKS: usize = 100;

impl TraceContext {
    /// Its name, as a header of HTTP, in gRPC metadata and of Kafka records.
    pub const HEADER: &str = "traceparent";

    /// Takes a valid header; another one is as none, as the specification says.
    #[must_use]
    pub fn parse(header: &[u8]) -> Option<Self> {
        let header = std::str::from_utf8(header).ok()?.trim();
        let mut parts = header.split('-');
        let mut next = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits)?;
            let lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            part.bytes().all(lower_hex).then_some(part)
        };
        let (version, trace, span, flags) = (next(2)?, next(32)?, next(16)?, next(2)?);
        // Version 00 has these four parts; later ones may add more; ff is none.
        let known = version == "00" && parts.next().is_none() || !matches!(version, "00" | "ff");
        let context = Self {
            trace: TraceId::from_hex(trace).ok()?,
            span: SpanId::from_hex(span).ok()?,
            flags: TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
        };
        (known && context.trace != TraceId::INVALID && context.span != SpanId::INVALID).then_some(context)
    }

    /// As a header.
    #[must_use]
    pub fn header(&self) -> String {
        format!(
            "00-{:032x}-{:016x}-{:02x}",
            self.trace,
            self.span,
            self.flags & TraceFlags::SAMPLED
        )
    }

    /// Whether whoever began the trace wants it recorded.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags.is_sampled()
    }

    /// The trace's id: 32 hex digits.
    #[must_use]
    pub fn trace_id(&self) -> String {
        self.trace.to_string()
    }

    /// The same place, to be recorded whatever whoever began it wants.
    fn recorded(self) -> Self {
        Self {
            flags: TraceFlags::SAMPLED,
            ..self
        }
    }

    fn span_context(self) -> SpanContext {
        SpanContext::new(self.trace, self.span, self.flags, true, TraceState::NONE)
    }

    fn of(context: &SpanContext) -> Option<Self> {
        context.is_valid().then(|| Self {
            trace: context.trace_id(),
            span: context.span_id(),
            flags: context.trace_flags(),
        })
    }
}

/// What a span follows from.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    /// Its parent.
    first: Option<TraceContext>,
    /// Others that joined.
    more: Vec<TraceContext>,
}

impl Origins {
    /// Of several events that go on together: the first that is to be recorded is the parent, the others that are, up to
    /// 100, are linked.
    #[must_use]
    pub fn joined(events: impl Iterator<Item = TraceContext>) -> Self {
        let mut origins = Self::default();
        for event in events {
            match origins.first {
                None => origins.first = Some(event),
                Some(first) if first == event => {}
                Some(first) if !first.is_sampled() && event.is_sampled() => origins.first = Some(event),
                Some(_) if event.is_sampled() && origins.more.len() < MOST_LINKS => origins.more.push(event),
                Some(_) => {}
            }
        }
        origins
    }

    /// What the next stage is told when nothing is recorded here.
    #[must_use]
    pub const fn parent(&self) -> Option<TraceContext> {
        self.first
    }

    /// Whether any of them is to be recorded.
    #[must_use]
    pub fn are_sampled(&self) -> bool {
        self.first.is_some_and(|first| first.is_sampled())
    }

    /// The same, to be recorded whatever whoever began them wants.
    #[must_use]
    pub fn recorded(self) -> Self {
        Self {
            first: self.first.map(TraceContext::recorded),
            ..self
        }
    }
}

impl From<Option<TraceContext>> for Origins {
    fn from(first: Option<TraceContext>) -> Self {
        Self {
            first,
            more: Vec::new(),
        }
    }
}

/// Whether this process exports traces.
static EXPORTS: AtomicBool = AtomicBool::new(false);

/// From now on spans are made: a provider was set that exports them.
pub fn exports() {
    EXPORTS.store(true, Ordering::Relaxed);
}

/// A stage of the way, recorded when it is dropped. Costs nothing where no traces are exported: then it hands on what it
/// follows from.
#[derive(Debug)]
pub struct Span {
    made: Option<global::BoxedSpan>,
    follows: Option<TraceContext>,
}

impl Span {
    /// Begins a stage. It is recorded if what it follows from is; whether the first stage of all is, the sampler says
    /// (`OTEL_TRACES_SAMPLER`).
    #[must_use]
    pub fn begin(name: impl Into<std::borrow::Cow<'static, str>>, kind: SpanKind, origins: &Origins) -> Self {
        Self::build(SpanBuilder::from_name(name).with_kind(kind), origins)
    }

    /// Records a stage that ended then, in Unix milliseconds, and took so long.
    #[must_use]
    pub fn over(
        name: impl Into<std::borrow::Cow<'static, str>>,
        kind: SpanKind,
        origins: &Origins,
        ended_ms: i64,
        took: Duration,
    ) -> Self {
        let ended = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(ended_ms).unwrap_or(0));
        let began = ended.checked_sub(took).unwrap_or(ended);
        Self::build(
            SpanBuilder::from_name(name)
                .with_kind(kind)
                .with_start_time(began),
            origins,
        )
    }

    fn build(builder: SpanBuilder, origins: &Origins) -> Self {
        if !EXPORTS.load(Ordering::Relaxed) {
            return Self {
                made: None,
                follows: origins.first,
            };
        }
        let links = origins
            .more
            .iter()
            .map(|event| Link::with_context(event.span_context()));
        let builder = builder.with_links(links.collect());
        let parent = match origins.first {
            Some(first) => Context::new().with_remote_span_context(first.span_context()),
            None => Context::new(),
        };
        Self {
            made: Some(global::tracer("angarium").build_with_context(builder, &parent)),
            follows: origins.first,
        }
    }

    /// What the next stage is told; `None` when nobody exports traces and nothing was told to this one.
    #[must_use]
    pub fn context(&self) -> Option<TraceContext> {
        match &self.made {
            Some(span) => TraceContext::of(span.span_context()),
            None => self.follows,
        }
    }

    /// Whether it is recorded: what is said of it is lost otherwise, and need not be made.
    #[must_use]
    pub fn is_recording(&self) -> bool {
        self.made.as_ref().is_some_and(|span| span.is_recording())
    }

    /// Says more of it.
    pub fn say(&mut self, what: impl IntoIterator<Item = KeyValue>) {
        if let Some(span) = self.made.as_mut().filter(|span| span.is_recording()) {
            span.set_attributes(what);
        }
    }

    /// It failed: `class` is one of few words, `detail` a sentence.
    pub fn fail(
        &mut self,
        class: impl Into<opentelemetry::Value>,
        detail: impl Into<std::borrow::Cow<'static, str>>,
    ) {
        self.say([KeyValue::new("error.type", class.into())]);
        if let Some(span) = &mut self.made {
            span.set_status(Status::error(detail));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn only_a_valid_traceparent_is_taken_and_given_back_as_version_00() {
        let context = TraceContext::parse(GOOD.as_bytes()).unwrap();
        assert_eq!(context.header(), GOOD);
        assert!(context.is_sampled());
        assert_eq!(context.trace_id(), "0af7651916cd43dd8448eb211c80319c");
        let later = format!("01{}-more", &GOOD[2..]);
        assert_eq!(TraceContext::parse(later.as_bytes()), Some(context));
        for bad in [
            "",
            "00",
            &GOOD.to_uppercase(),
            &format!("{GOOD}-more"),
            &format!("ff{}", &GOOD[2..]),
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
        ] {
            assert_eq!(TraceContext::parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(TraceContext::parse(b"\xff"), None);
    }

    fn event(span: u64, sampled: bool) -> TraceContext {
        let header = format!("00-{:032x}-{span:016x}-{:02x}", 7, u8::from(sampled));
        TraceContext::parse(header.as_bytes()).unwrap()
    }

    #[test]
    fn of_events_that_join_the_first_that_is_recorded_is_the_parent_and_others_are_linked() {
        let joined =
            Origins::joined([event(1, false), event(2, true), event(2, true), event(3, true)].into_iter());
        assert_eq!(joined.parent(), Some(event(2, true)));
        assert_eq!(joined.more, [event(3, true)]);
        let many = Origins::joined((1..1_000).map(|span| event(span, true)));
        assert_eq!(many.more.len(), MOST_LINKS);
        let unsampled = Origins::joined((1..10).map(|span| event(span, false)));
        assert_eq!(unsampled.parent(), Some(event(1, false)));
        assert!(!unsampled.are_sampled() && unsampled.more.is_empty());
        assert!(unsampled.recorded().are_sampled());
    }

    #[test]
    fn where_nobody_exports_traces_a_span_hands_on_what_it_follows_from() {
        let span = Span::begin("test", SpanKind::Internal, &Some(event(1, true)).into());
        assert!(!span.is_recording());
        assert_eq!(span.context(), Some(event(1, true)));
        let first = Span::begin("test", SpanKind::Internal, &Origins::default());
        assert_eq!(first.context(), None);
    }
}
