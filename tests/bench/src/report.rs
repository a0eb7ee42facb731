//! What is printed and written.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::measure::{Memory, Outcome};

/// A line for who waits.
#[expect(
    clippy::print_stderr,
    reason = "a program for the terminal; figures go to standard output"
)]
pub(crate) fn progress(line: &str) {
    eprintln!("{line}");
}

pub(crate) fn print(outcomes: &[Outcome]) {
    show(&table(outcomes));
}

#[expect(clippy::print_stdout, reason = "the figures are what this program is for")]
pub(crate) fn show(table: &str) {
    println!("{table}");
}

/// An array of one object per scenario.
pub(crate) fn json(outcomes: &[Outcome]) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Row {
        scenario: &'static str,
        events_per_s: f64,
        deliveries_per_s: f64,
        floor_deliveries_per_s: f64,
        ratio: f64,
        p50_ms: f64,
        p99_ms: f64,
        floor_p50_ms: f64,
        floor_p99_ms: f64,
        cpu_s_per_100k: f64,
        rss_mib: BTreeMap<&'static str, f64>,
        peak_mib: BTreeMap<&'static str, f64>,
        lost: u64,
        duplicates: u64,
        out_of_order: u64,
    }
    let by_role = |outcome: &Outcome, mib: fn(&Memory) -> f64| {
        let figures = outcome.memory.iter();
        figures
            .map(|(role, memory)| (*role, rounded(mib(memory))))
            .collect()
    };
    let row = |outcome: &Outcome| Row {
        scenario: outcome.scenario,
        events_per_s: rounded(outcome.events_per_s),
        deliveries_per_s: rounded(outcome.deliveries_per_s),
        floor_deliveries_per_s: rounded(outcome.floor_deliveries_per_s),
        ratio: rounded(outcome.ratio),
        p50_ms: rounded(outcome.p50_ms),
        p99_ms: rounded(outcome.p99_ms),
        floor_p50_ms: rounded(outcome.floor_p50_ms),
        floor_p99_ms: rounded(outcome.floor_p99_ms),
        cpu_s_per_100k: rounded(outcome.cpu_s_per_100k),
        rss_mib: by_role(outcome, |memory| memory.now),
        peak_mib: by_role(outcome, |memory| memory.peak),
        lost: outcome.faults.lost,
        duplicates: outcome.faults.duplicates,
        out_of_order: outcome.faults.out_of_order,
    };
    let rows: Vec<Row> = outcomes.iter().map(row).collect();
    Ok(serde_json::to_string_pretty(&rows)? + "\n")
}

/// To three decimals: more would claim more than was measured.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// A column per scenario.
fn table(outcomes: &[Outcome]) -> String {
    let row = |label: &str, cell: &dyn Fn(&Outcome) -> String| {
        std::iter::once(label.to_owned())
            .chain(outcomes.iter().map(cell))
            .collect::<Vec<_>>()
    };
    let mut rows = vec![
        row("", &|o| o.scenario.to_owned()),
        row("events/s", &|o| grouped(o.events_per_s)),
        row("deliveries/s", &|o| grouped(o.deliveries_per_s)),
        row("floor: deliveries/s", &|o| grouped(o.floor_deliveries_per_s)),
        row("ratio, median of pairs", &|o| format!("{:.2}", o.ratio)),
        row("  smallest to largest", &|o| {
            format!("{:.2}–{:.2}", o.ratio_spread.0, o.ratio_spread.1)
        }),
        row("publish to receipt p50, ms", &|o| format!("{:.1}", o.p50_ms)),
        row("publish to receipt p99, ms", &|o| format!("{:.1}", o.p99_ms)),
        row("floor: p50, ms", &|o| format!("{:.1}", o.floor_p50_ms)),
        row("floor: p99, ms", &|o| format!("{:.1}", o.floor_p99_ms)),
        row("CPU s per 100,000 deliveries", &|o| {
            format!("{:.2}", o.cpu_s_per_100k)
        }),
    ];
    let roles: Vec<&str> = outcomes
        .first()
        .map_or_else(Vec::new, |o| o.memory.keys().copied().collect());
    for role in &roles {
        let figure = |o: &Outcome| o.cpu_by_role.get(role).copied().unwrap_or_default();
        rows.push(row(&format!("  {role}"), &|o| format!("{:.2}", figure(o))));
    }
    rows.push(row("resident memory at the end / peak, MiB", &|_| String::new()));
    for role in &roles {
        let figure = |o: &Outcome| match o.memory.get(role) {
            Some(memory) => format!("{:.0} / {:.0}", memory.now, memory.peak),
            None => String::new(),
        };
        rows.push(row(&format!("  {role}"), &figure));
    }
    rows.push(row("lost / twice / out of order", &|o| {
        format!(
            "{} / {} / {}",
            o.faults.lost, o.faults.duplicates, o.faults.out_of_order
        )
    }));
    align(&rows)
}

/// The first column to the left, the others to the right.
fn align(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let chars = |cell: &String| cell.chars().count();
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column).map(chars))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A whole number with a comma between thousands.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Faults;

    fn outcome(scenario: &'static str) -> Outcome {
        Outcome {
            scenario,
            events_per_s: 12_345.678_9,
            deliveries_per_s: 1_234_567.0,
            floor_deliveries_per_s: 999.0,
            ratio: 0.712_34,
            ratio_spread: (0.7, 0.75),
            p50_ms: 3.25,
            p99_ms: 13.0,
            floor_p50_ms: 3.0,
            floor_p99_ms: 12.0,
            cpu_s_per_100k: 4.5,
            cpu_by_role: BTreeMap::from([("delivery", 3.0), ("ingest", 1.5)]),
            memory: BTreeMap::from(
                [("delivery", (55.0, 60.0)), ("ingest", (40.0, 41.0))]
                    .map(|(role, (now, peak))| (role, Memory { now, peak })),
            ),
            faults: Faults {
                lost: 1,
                duplicates: 2,
                out_of_order: 3,
            },
        }
    }

    #[test]
    fn the_json_has_exactly_the_keys_that_others_read() {
        let json = json(&[outcome("single"), outcome("fanout10")]).unwrap();
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        let mut keys: Vec<&str> = read[1].as_object().unwrap().keys().map(String::as_str).collect();
        let mut expected = [
            "scenario",
            "events_per_s",
            "deliveries_per_s",
            "floor_deliveries_per_s",
            "ratio",
            "p50_ms",
            "p99_ms",
            "floor_p50_ms",
            "floor_p99_ms",
            "cpu_s_per_100k",
            "rss_mib",
            "peak_mib",
            "lost",
            "duplicates",
            "out_of_order",
        ];
        keys.sort_unstable();
        expected.sort_unstable();
        assert_eq!(keys, expected);
        assert_eq!(read[1]["scenario"], "fanout10");
        assert_eq!(read[0]["ratio"], 0.712);
        assert_eq!(
            read[0]["rss_mib"],
            serde_json::json!({"delivery": 55.0, "ingest": 40.0})
        );
        assert_eq!(read[0]["peak_mib"]["delivery"], 60.0);
        assert_eq!(read[0]["lost"], 1);
    }

    #[test]
    fn the_columns_of_the_table_end_at_the_same_place() {
        let table = table(&[outcome("single"), outcome("fanout10")]);
        let widths: Vec<usize> = table
            .lines()
            .filter(|line| !line.starts_with("resident"))
            .map(|line| line.chars().count())
            .collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "{table}");
        for text in ["12,346", "1,234,567", " 999", "0.70–0.75", "1 / 2 / 3"] {
            assert!(table.contains(text), "{text} in\n{table}");
        }
    }
}
