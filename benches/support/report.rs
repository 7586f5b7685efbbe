//! What the benches say: Markdown tables for people, JSON for machines.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// Rows under a head, printed as a Markdown table whose columns line up.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|&cell| cell.to_owned()).collect()] }
    }

    pub(crate) fn row<const COLUMNS: usize>(&mut self, cells: [String; COLUMNS]) {
        self.rows.push(cells.into());
    }

    /// The first column is text, the others are numbers.
    pub(crate) fn print(&self) {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        println!();
        for (index, row) in self.rows.iter().enumerate() {
            print!("|");
            for (column, cell) in row.iter().enumerate() {
                let width = widths[column];
                if column == 0 {
                    print!(" {cell:<width$} |");
                } else {
                    print!(" {cell:>width$} |");
                }
            }
            println!();
            if index == 0 {
                let rules = widths.iter().enumerate().map(|(column, &width)| match column {
                    0 => format!("{}|", "-".repeat(width + 2)),
                    _ => format!("{}:|", "-".repeat(width + 1)),
                });
                println!("|{}", rules.collect::<String>());
            }
        }
        println!();
    }
}

/// A whole number with commas between the thousands.
pub(crate) fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Microseconds as milliseconds.
pub(crate) fn millis(micros: u64) -> String {
    format!("{:.2}", micros as f64 / 1000.0)
}

pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Writes the report of the bench `name`, to `target/bench/<name>.json` unless told where.
pub(crate) fn write(name: &str, file: Option<&Path>, mut report: Value) -> std::io::Result<()> {
    report["machine"] = machine();
    let file = file.map_or_else(|| folder().join(format!("{name}.json")), Path::to_owned);
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&file, serde_json::to_string_pretty(&report)? + "\n")?;
    println!("written: {}", file.display());
    Ok(())
}

/// Where reports go by themselves.
pub(crate) fn folder() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    target.unwrap_or(Path::new("target")).join("bench")
}

/// What it ran on, as far as the system says.
fn machine() -> Value {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).map(str::to_owned);
        line.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned()))
    };
    json!({
        "processor": field(&read("/proc/cpuinfo"), "model name"),
        "memory": field(&read("/proc/meminfo"), "MemTotal"),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "cores": std::fs::read_dir("/sys/class/cpu").map_or(0, Iterator::count).max(
            std::thread::available_parallelism().map_or(0, usize::from)),
        "system": std::env::consts::OS,
    })
}
