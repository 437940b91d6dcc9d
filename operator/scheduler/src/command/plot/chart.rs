//! One kind of chart: a few lines over two axes, each named at its right end instead of in a legend.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::command::error::CommandError;
use crate::command::write::Sink;

/// Colours that also differ for the colour-blind (Okabe and Ito).
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(90, 90, 90),
    RGBColor(150, 130, 0),
];
const INK: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(225, 225, 225);
const SIZE: (u32, u32) = (860, 420);
/// Room on the right for the names of the lines.
const NAMES: u32 = 190;
const LINE_HEIGHT: i32 = 17;

/// One axis.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis<'a> {
    pub(crate) label: &'a str,
    /// Powers of ten instead of a linear scale; values that are not above zero are left out.
    pub(crate) log: bool,
    /// Begins at zero although no value is there.
    pub(crate) from_zero: bool,
}

/// One line.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
    /// Marks every point, for lines of few.
    pub(crate) marks: bool,
}

/// A chart.
#[derive(Debug, Clone)]
pub(crate) struct Chart<'a> {
    pub(crate) title: &'a str,
    pub(crate) x: Axis<'a>,
    pub(crate) y: Axis<'a>,
    pub(crate) lines: Vec<Line>,
}

impl Axis<'_> {
    fn place(self, value: f64) -> f64 {
        if self.log { value.log10() } else { value }
    }

    fn span(self, values: impl Iterator<Item = f64>) -> (f64, f64) {
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        let (low, high) = if low > high { (0.0, 1.0) } else { (low, high) };
        let low = if self.from_zero && !self.log { low.min(0.0) } else { low };
        let room = if high > low { 0.04 * (high - low) } else { 0.5 };
        (if low == 0.0 { low } else { low - room }, high + room)
    }

    fn text(self, place: f64) -> String {
        if !self.log {
            let text = format!("{:.3}", place + 0.0);
            return text.trim_end_matches('0').trim_end_matches('.').to_owned();
        }
        let value = 10_f64.powf(place);
        match value {
            v if (0.01..9_999.5).contains(&v) => {
                let text = format!("{v:.2}");
                text.trim_end_matches('0').trim_end_matches('.').to_owned()
            }
            v => format!("{v:.0e}"),
        }
    }
}

impl Chart<'_> {
    /// Writes the chart into a folder.
    pub(crate) fn save(&self, folder: &str, name: &str) -> Result<(), CommandError> {
        let path = Path::new(folder).join(name);
        let file = path.to_string_lossy().into_owned();
        std::fs::create_dir_all(folder).map_err(|cause| CommandError::Write { file: folder.to_owned(), cause })?;
        let mut svg = String::new();
        self.draw(&mut svg).map_err(|cause| CommandError::Write {
            file: file.clone(),
            cause: std::io::Error::other(cause.to_string()),
        })?;
        let mut sink = Sink::open(&file)?;
        sink.write(&svg)?;
        sink.finish()
    }

    fn draw(&self, svg: &mut String) -> Result<(), Box<dyn std::error::Error>> {
        let place = |line: &Line| -> Vec<(f64, f64)> {
            let placed = line.points.iter().map(|&(x, y)| (self.x.place(x), self.y.place(y)));
            placed.filter(|(x, y)| x.is_finite() && y.is_finite()).collect()
        };
        let lines: Vec<Vec<(f64, f64)>> = self.lines.iter().map(place).collect();
        let (left, right) = self.x.span(lines.iter().flatten().map(|p| p.0));
        let (bottom, top) = self.y.span(lines.iter().flatten().map(|p| p.1));
        let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let font = |size: u32| ("sans-serif", size).into_font().color(&INK);
        let mut chart = ChartBuilder::on(&root)
            .caption(self.title, font(17))
            .margin(12)
            .margin_right(NAMES)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(left..right, bottom..top)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(GRID)
            .x_desc(self.x.label)
            .y_desc(self.y.label)
            .axis_desc_style(font(14))
            .label_style(font(13))
            .x_labels(9)
            .y_labels(7)
            .x_label_formatter(&|x| self.x.text(*x))
            .y_label_formatter(&|y| self.y.text(*y))
            .draw()?;
        let mut names = Vec::new();
        for (number, (line, points)) in self.lines.iter().zip(&lines).enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?;
            if line.marks {
                chart.draw_series(points.iter().map(|&point| Circle::new(point, 3, colour.filled())))?;
            }
            if let Some(&end) = points.last() {
                names.push((chart.backend_coord(&end), colour, &line.name));
            }
        }
        // Names at the heights where lines end, moved apart where they would overlap.
        names.sort_by_key(|((_, y), ..)| *y);
        let edge = chart.backend_coord(&(right, top)).0 + 8;
        let mut lowest = i32::MIN;
        for ((_, y), colour, name) in names {
            let y = y.max(lowest);
            lowest = y + LINE_HEIGHT;
            let style = ("sans-serif", 14).into_font().color(&colour).pos(Pos::new(HPos::Left, VPos::Center));
            root.draw(&Text::new(name.clone(), (edge, y), style))?;
        }
        root.present()?;
        Ok(())
    }
}
