//! Small pictures of an hour, as SVG. What is drawn is also said in words beside it: the pictures are for the eye alone.

use askama::Template;

use crate::log::{Hour, Minute};
use crate::words;

/// Of a bar and the gap behind it.
const STEP: usize = 4;
/// The least that a bar with anything in it is high.
const LEAST: u64 = 2;
/// How far what went well goes up, and what failed goes down.
const UP: u64 = 26;
const DOWN: u64 = 14;
/// The height of the picture of times.
const HEIGHT: u64 = 40;

/// A bar of a minute.
#[derive(Debug)]
struct Bar {
    x: usize,
    y: u64,
    height: u64,
    tone: &'static str,
}

/// Attempts of the last hour, a bar a minute: what went well above the line, what failed below it.
#[derive(Debug, Template)]
#[template(
    source = r#"<svg class="spark" viewBox="0 0 240 40" preserveAspectRatio="none" aria-hidden="true" focusable="false">{% for bar in bars %}<rect class="{{ bar.tone }}" x="{{ bar.x }}" y="{{ bar.y }}" width="3" height="{{ bar.height }}"/>{% endfor %}<path class="axis" d="M0 26h240"/></svg>"#,
    ext = "html"
)]
pub(crate) struct Attempts {
    bars: Vec<Bar>,
}

impl askama::filters::HtmlSafe for Attempts {}

/// Draws the attempts.
pub(crate) fn attempts(hour: &Hour) -> Attempts {
    let most = |count: fn(&Minute) -> u32| hour.minutes.iter().map(count).max().unwrap_or(0);
    let (ok, failed) = (most(|minute| minute.ok), most(|minute| minute.failed));
    let mut bars = Vec::new();
    for (index, minute) in hour.minutes.iter().enumerate() {
        let x = index * STEP;
        if let Some(height) = scaled(minute.ok.into(), ok.max(failed).into(), UP) {
            let y = UP - height;
            bars.push(Bar {
                x,
                y,
                height,
                tone: "ok",
            });
        }
        if let Some(height) = scaled(minute.failed.into(), ok.max(failed).into(), DOWN) {
            bars.push(Bar {
                x,
                y: UP,
                height,
                tone: "failed",
            });
        }
    }
    Attempts { bars }
}

/// How long attempts took in the last hour: half of them below the one line, 99 of a hundred below the other.
#[derive(Debug, Template)]
#[template(
    source = r#"<svg class="spark" viewBox="0 0 240 40" preserveAspectRatio="none" aria-hidden="true" focusable="false"><path class="p99" d="{{ p99 }}"/><path class="p50" d="{{ p50 }}"/><path class="axis" d="M0 40h240"/></svg>"#,
    ext = "html"
)]
pub(crate) struct Times {
    p50: String,
    p99: String,
}

impl askama::filters::HtmlSafe for Times {}

/// Draws the times.
pub(crate) fn times(hour: &Hour) -> Times {
    let longest = hour
        .minutes
        .iter()
        .filter_map(|minute| minute.percentile(99))
        .max()
        .unwrap_or(0);
    let line = |percent| {
        let mut path = String::new();
        let mut on = false;
        for (index, minute) in hour.minutes.iter().enumerate() {
            let Some(height) = minute
                .percentile(percent)
                .and_then(|us| scaled(us, longest, HEIGHT - 2))
            else {
                on = false;
                continue;
            };
            let (x, y) = (index * STEP, HEIGHT - height);
            // A minute by itself is a short line.
            let to = if on {
                format!("L{x} {y}h3")
            } else {
                format!("M{x} {y}h3")
            };
            path.push_str(&to);
            on = true;
        }
        path
    };
    Times {
        p50: line(50),
        p99: line(99),
    }
}

fn scaled(value: u64, most: u64, height: u64) -> Option<u64> {
    (value > 0).then(|| (value * height).checked_div(most).unwrap_or(0).max(LEAST))
}

/// The hour in words.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) rate: Option<String>,
    pub(crate) attempts: String,
    pub(crate) failed: u32,
    pub(crate) p50: String,
    pub(crate) p99: String,
}

/// Puts an hour into words.
pub(crate) fn figures(hour: &Hour) -> Figures {
    let total = &hour.total;
    let time = |percent| {
        total
            .percentile(percent)
            .map_or_else(String::new, words::duration)
    };
    Figures {
        rate: total.permille().map(words::percent),
        attempts: words::count(total.attempts(), "call"),
        failed: total.failed,
        p50: time(50),
        p99: time(99),
    }
}
