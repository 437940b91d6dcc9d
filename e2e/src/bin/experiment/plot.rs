//! Charts of stage 2: the difference of each arm to the first, with its interval, one chart a measure.

use std::path::Path;

use anyhow::{Context, anyhow};
use plotters::prelude::*;
use serde_json::Value;

use crate::stage2::{MEASURES, POOLED};

const INK: RGBColor = RGBColor(40, 40, 40);
const MARK: RGBColor = RGBColor(0, 114, 178);

/// Writes a chart of each measure into a folder.
pub fn save(result: &Value, folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    let arms = result["arms"].as_array().context("no arms")?;
    for measure in MEASURES.into_iter().chain([POOLED]) {
        let mut rows = Vec::new();
        for arm in &arms[1..] {
            let against = &arm["measures"][measure]["against"];
            let number = |name: &str| against[name].as_f64().unwrap_or(0.0);
            rows.push((arm["arm"].as_str().unwrap_or_default(), number("mean"), number("low"), number("high")));
        }
        let what = if matches!(measure, "atRate" | "jain") { "difference" } else { "ln ratio" };
        let title = format!("{measure}: {what} to {}, 95 % interval", result["against"].as_str().unwrap_or_default());
        let svg = draw(&title, &rows).map_err(|error| anyhow!("failed to draw {measure}: {error}"))?;
        std::fs::write(folder.join(format!("{measure}.svg")), svg)?;
    }
    Ok(())
}

fn draw(title: &str, rows: &[(&str, f64, f64, f64)]) -> Result<String, Box<dyn std::error::Error>> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (760, 70 + 36 * rows.len() as u32)).into_drawing_area();
        root.fill(&WHITE)?;
        let low = rows.iter().map(|row| row.2).fold(0.0, f64::min);
        let high = rows.iter().map(|row| row.3).fold(0.0, f64::max);
        let room = 0.08 * (high - low).max(0.01);
        let font = |size: u32| ("sans-serif", size).into_font().color(&INK);
        let mut chart = ChartBuilder::on(&root)
            .caption(title, font(16))
            .margin(10)
            .margin_left(190)
            .x_label_area_size(30)
            .build_cartesian_2d(low - room..high + room, 0.0..rows.len() as f64)?;
        chart.configure_mesh().disable_y_mesh().disable_y_axis().x_labels(7).label_style(font(12)).draw()?;
        chart.draw_series(LineSeries::new([(0.0, 0.0), (0.0, rows.len() as f64)], INK.stroke_width(1)))?;
        for (number, (name, mean, low, high)) in rows.iter().enumerate() {
            let y = rows.len() as f64 - number as f64 - 0.5;
            chart.draw_series(LineSeries::new([(*low, y), (*high, y)], MARK.stroke_width(2)))?;
            chart.draw_series([Circle::new((*mean, y), 4, MARK.filled())])?;
            let at = chart.backend_coord(&(*mean, y)).1;
            root.draw(&Text::new((*name).to_owned(), (12, at - 7), font(13)))?;
        }
        root.present()?;
    }
    Ok(svg)
}
