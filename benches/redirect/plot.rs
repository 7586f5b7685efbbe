//! The plots of `BENCHMARKS.md`, from the figures as they stand in the report. White behind, so that they are readable on
//! a dark page too.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use serde_json::Value;

use super::Failure;

const SIZE: (u32, u32) = (960, 400);
const FONT: (&str, u32) = ("sans-serif", 14);
const AYRENE: RGBColor = RGBColor(0, 90, 181);
const NGINX: RGBColor = RGBColor(220, 80, 20);

type Panel<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Points = Vec<(f64, f64)>;

/// Throughput, and p99, against offered load: `load.svg`.
pub(crate) fn load(folder: &Path, report: &Value) -> Result<(), Failure> {
    let series = |name: &str, field: &str, unit: f64| -> Points {
        let points = report["points"].as_array().into_iter().flatten();
        let points = points.filter(|point| point["name"] == name);
        points
            .filter_map(|point| Some((point["offered"].as_f64()? / 1e3, point[field].as_f64()? / unit)))
            .collect()
    };
    let both = |field, unit| {
        [("ayrene", AYRENE, series("ayrene", field, unit)), ("nginx", NGINX, series("nginx", field, unit))]
    };
    if series("ayrene", "answered", 1e3).is_empty() {
        return Ok(());
    }
    draw(folder, "load.svg", |area| {
        let (left, right) = area.split_horizontally(SIZE.0 / 2);
        let offered = "offered, thousand requests/s";
        linear(&left, "Throughput", [offered, "answered, thousand/s"], &both("answered", 1e3))?;
        logarithmic(&right, "99th percentile", [offered, "p99 from when due, ms"], &both("p99_micros", 1e3))
    })
}

/// Throughput against the number of links: `scale.svg`.
pub(crate) fn scale(folder: &Path, report: &Value) -> Result<(), Failure> {
    let points = report["points"].as_array().into_iter().flatten();
    let ayrene: Points = points
        .filter_map(|point| Some((point["links"].as_f64()?, point["requests_per_second"].as_f64()? / 1e3)))
        .collect();
    let (Some(first), Some(last)) = (ayrene.first(), ayrene.last()) else { return Ok(()) };
    let ends = [first.0, last.0];
    let nginx = report["nginx"].as_f64().map(|rate| ends.map(|links| (links, rate / 1e3)).to_vec());
    let series = [("ayrene", AYRENE, ayrene.clone()), ("nginx", NGINX, nginx.unwrap_or_default())];
    draw(folder, "scale.svg", |area| {
        let highest = highest(&series);
        let mut chart = framed(area, "Throughput by number of links")
            .build_cartesian_2d((ends[0]..ends[1].max(ends[0] * 1.1)).log_scale(), 0.0..highest * 1.1)
            .map_err(failed)?;
        let mut mesh = chart.configure_mesh();
        mesh.x_desc("links").y_desc("redirects, thousand/s").label_style(FONT).light_line_style(TRANSPARENT);
        mesh.y_label_formatter(&whole);
        mesh.x_label_formatter(&|links| super::grouped(*links)).draw().map_err(failed)?;
        for (name, color, points) in &series {
            line(&mut chart, name, *color, points)?;
        }
        legend(&mut chart, SeriesLabelPosition::LowerLeft)
    })
}

fn draw(folder: &Path, name: &str, paint: impl Fn(&Panel<'_>) -> Result<(), Failure>) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)?;
    let file = folder.join(name);
    let area = SVGBackend::new(&file, SIZE).into_drawing_area();
    area.fill(&WHITE).map_err(failed)?;
    paint(&area)?;
    area.present().map_err(failed)?;
    println!("drawn: {}", file.display());
    Ok(())
}

/// The errors of plotters borrow what they are about.
fn failed(error: impl std::fmt::Display) -> Failure {
    error.to_string().into()
}

type Series<'s> = [(&'s str, RGBColor, Points); 2];

fn highest(series: &Series<'_>) -> f64 {
    series.iter().flat_map(|(.., points)| points).map(|point| point.1).fold(0.0, f64::max)
}

fn rightmost(series: &Series<'_>) -> f64 {
    series.iter().flat_map(|(.., points)| points).map(|point| point.0).fold(0.0, f64::max)
}

fn framed<'a, 'b>(area: &'a Panel<'b>, title: &str) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut builder = ChartBuilder::on(area);
    builder
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .margin_right(36)
        .x_label_area_size(44)
        .y_label_area_size(60);
    builder
}

fn linear(area: &Panel<'_>, title: &str, axes: [&str; 2], series: &Series<'_>) -> Result<(), Failure> {
    let mut chart = framed(area, title)
        .build_cartesian_2d(0.0..rightmost(series) * 1.02, 0.0..highest(series) * 1.1)
        .map_err(failed)?;
    let mut mesh = chart.configure_mesh();
    mesh.x_desc(axes[0]).y_desc(axes[1]).label_style(FONT).light_line_style(TRANSPARENT);
    mesh.x_label_formatter(&whole).y_label_formatter(&whole).draw().map_err(failed)?;
    for (name, color, points) in series {
        line(&mut chart, name, *color, points)?;
    }
    legend(&mut chart, SeriesLabelPosition::UpperLeft)
}

fn whole(value: &f64) -> String {
    format!("{value:.0}")
}

fn logarithmic(area: &Panel<'_>, title: &str, axes: [&str; 2], series: &Series<'_>) -> Result<(), Failure> {
    let lowest = series.iter().flat_map(|(.., points)| points).map(|point| point.1).fold(1.0, f64::min);
    let mut chart = framed(area, title)
        .build_cartesian_2d(0.0..rightmost(series) * 1.02, (lowest / 2.0..highest(series) * 2.0).log_scale())
        .map_err(failed)?;
    let mut mesh = chart.configure_mesh();
    mesh.x_desc(axes[0]).y_desc(axes[1]).label_style(FONT).light_line_style(TRANSPARENT);
    mesh.x_label_formatter(&whole).y_label_formatter(&|value| value.to_string()).draw().map_err(failed)?;
    for (name, color, points) in series {
        line(&mut chart, name, *color, points)?;
    }
    legend(&mut chart, SeriesLabelPosition::UpperLeft)
}

type Chart<'a, 'b, X, Y> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<X, Y>>;

fn line<X, Y>(
    chart: &mut Chart<'_, '_, X, Y>,
    name: &str,
    color: RGBColor,
    points: &Points,
) -> Result<(), Failure>
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    if points.is_empty() {
        return Ok(());
    }
    let drawn = chart.draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(2)));
    let key = move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], color.stroke_width(2));
    drawn.map_err(failed)?.label(name).legend(key);
    let dots = points.iter().map(|&point| Circle::new(point, 3, color.filled()));
    chart.draw_series(dots).map_err(failed)?;
    Ok(())
}

fn legend<'a, 'b: 'a, X, Y>(
    chart: &mut Chart<'a, 'b, X, Y>,
    position: SeriesLabelPosition,
) -> Result<(), Failure>
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    let mut labels = chart.configure_series_labels();
    labels.position(position).label_font(FONT);
    labels.background_style(WHITE.mix(0.8)).border_style(BLACK.mix(0.3));
    labels.draw().map_err(failed)
}
