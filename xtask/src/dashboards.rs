//! `cargo xtask dashboards`: Grafana's dashboards, made of the tables in `boards`: what is asked stands there once and can be read,
//! and all look alike.

mod boards;

use std::fs;
use std::process::ExitCode;

use anyhow::Context;
use serde_json::{Value, json};

use crate::paths;

/// Write Grafana's dashboards into deploy/observability/grafana.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write nothing: say what is not current.
    #[arg(long)]
    check: bool,
}

const FOLDER: &str = "deploy/observability/grafana";
/// Grafana's grid is 24 wide.
const WIDTH: usize = 24;
const PANEL_WIDTH: usize = 8;
const PANEL_HEIGHT: usize = 8;
/// That of Grafana 11.
const SCHEMA_VERSION: u32 = 39;

/// A page.
struct Board {
    /// Its file, and what Grafana knows it by.
    name: &'static str,
    title: &'static str,
    rows: &'static [Row],
}

struct Row {
    title: &'static str,
    panels: &'static [Panel],
}

/// A graph.
struct Panel {
    title: &'static str,
    /// What it tells, and what to do if it is odd.
    tells: &'static str,
    /// As Grafana calls it.
    unit: &'static str,
    /// Each with its legend.
    queries: &'static [(&'static str, &'static str)],
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let folder = paths::root().join(FOLDER);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut outdated = Vec::new();
    for board in boards::ALL {
        let path = folder.join(format!("{}.json", board.name));
        let made = format!("{:#}\n", json_of(board));
        if args.check {
            if fs::read_to_string(&path).unwrap_or_default() != made {
                outdated.push(path);
            }
        } else {
            fs::write(&path, made).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    for path in &outdated {
        println!("{} is not current: run `cargo xtask dashboards`", path.display());
    }
    Ok(if outdated.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn json_of(board: &Board) -> Value {
    let mut panels = Vec::new();
    let mut y = 0;
    for row in board.rows {
        panels.push(json!({
            "id": panels.len() + 1, "type": "row", "title": row.title, "collapsed": false, "panels": [],
            "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1},
        }));
        y += 1;
        for (index, panel) in row.panels.iter().enumerate() {
            let across = WIDTH / PANEL_WIDTH;
            let position = json!({
                "x": index % across * PANEL_WIDTH, "y": y + index / across * PANEL_HEIGHT,
                "w": PANEL_WIDTH, "h": PANEL_HEIGHT,
            });
            panels.push(graph(panels.len() + 1, panel, &position));
        }
        y += row.panels.len().div_ceil(WIDTH / PANEL_WIDTH) * PANEL_HEIGHT;
    }
    json!({
        "uid": board.name, "title": board.title, "tags": ["angarium"], "schemaVersion": SCHEMA_VERSION, "version": 1,
        "editable": true, "graphTooltip": 1, "refresh": "30s", "time": {"from": "now-3h", "to": "now"}, "panels": panels,
        "templating": {"list": [{
            "name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "refresh": 1,
        }]},
        "links": [{
            "title": "Angarium", "type": "dashboards", "tags": ["angarium"], "asDropdown": true, "includeVars": true,
            "keepTime": true,
        }],
    })
}

fn graph(id: usize, panel: &Panel, position: &Value) -> Value {
    let source = json!({"type": "prometheus", "uid": "${datasource}"});
    let target = |(index, (query, legend)): (usize, &(&str, &str))| {
        let name = char::from(b'A' + u8::try_from(index).unwrap_or(25).min(25)).to_string();
        json!({"refId": name, "datasource": source, "expr": query, "legendFormat": legend, "range": true})
    };
    let targets: Vec<_> = panel.queries.iter().enumerate().map(target).collect();
    json!({
        "id": id, "type": "timeseries", "title": panel.title, "description": panel.tells, "gridPos": position,
        "datasource": source, "targets": targets,
        "fieldConfig": {"defaults": {
            "unit": panel.unit, "min": 0, "custom": {"fillOpacity": 8, "lineWidth": 1, "showPoints": "never"},
        }, "overrides": []},
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    })
}
