//! How a plot is drawn: on white, so that it reads in a light and in a dark page; x by powers of two with a tick at
//! each value used, y from 0, each line named at its end. The colours are Okabe and Ito's, told apart by readers
//! with any colour vision; marks differ too.

use super::plot::{Line, Plot};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::ops::Range;
use thiserror::Error;

/// A plot could not be drawn.
#[derive(Debug, Error)]
#[error("{file}: {message}")]
pub struct DrawError {
    file: String,
    message: String,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;
type Pixel = (i32, i32);

const SIZE: (u32, u32) = (880, 480);
/// Right of the axes, for the lines' names.
const NAMES: u32 = 190;
/// Names are at least this far apart.
const NAME_HEIGHT: i32 = 20;
const OURS: RGBColor = RGBColor(213, 94, 0);
const PEERS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(110, 110, 110),
];
const INK: RGBColor = RGBColor(40, 40, 40);
const FAINT: RGBColor = RGBColor(225, 225, 225);

/// Powers of two are as far apart as each other, and ticks are where they are told to be; at least one.
struct Log2 {
    ticks: Vec<f64>,
}

impl Log2 {
    /// A little more than the ticks, which are in order.
    fn range(&self) -> Range<f64> {
        let (first, last) = (self.ticks.first().map_or(1.0, |x| *x), self.ticks.last().map_or(1.0, |x| *x));
        let margin = (last / first).powf(0.04).max(1.15);
        first / margin..last * margin
    }
}

impl Ranged for Log2 {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let Range { start, end } = self.range();
        from + ((value / start).log2() / (end / start).log2() * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.range()
    }
}

impl ValueFormatter<f64> for Log2 {
    /// `512`, `1k`, `128k`.
    fn format(value: &f64) -> String {
        match *value as usize {
            thousands if thousands >= 1024 && thousands % 1024 == 0 => format!("{}k", thousands / 1024),
            few => few.to_string(),
        }
    }
}

/// A name beside the axes, and what it belongs to.
struct Name {
    text: String,
    end: Pixel,
    y: i32,
    colour: RGBColor,
    bold: bool,
}

/// The plot as an SVG document.
///
/// # Errors
///
/// Where the drawing library refuses, which it has no reason to.
pub fn draw(plot: &Plot) -> Result<String, DrawError> {
    let mut text = String::new();
    let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
    let drawn = draw_on(&root, plot).and_then(|()| root.present());
    drop(root);
    match drawn {
        Ok(()) => Ok(text),
        Err(error) => Err(DrawError { file: plot.file.clone(), message: error.to_string() }),
    }
}

fn draw_on<'a>(root: &Area<'a>, plot: &Plot) -> Drawn<'a> {
    let points = plot.lines.iter().flat_map(|line| &line.points);
    let mut ticks: Vec<f64> = points.clone().map(|(x, _)| *x as f64).collect();
    ticks.sort_by(f64::total_cmp);
    ticks.dedup();
    let axis = Log2 { ticks };
    let Range { start: left, end: right } = axis.range();
    let highest = points.map(|(_, y)| *y).chain(plot.ceiling.iter().map(|(_, y)| *y)).fold(0.0, f64::max);
    let top = if highest > 0.0 { highest * 1.08 } else { 1.0 };

    root.fill(&WHITE)?;
    root.draw(&Text::new(plot.title.clone(), (20, 16), font(22, INK, true)))?;
    root.draw(&Text::new(plot.subtitle.clone(), (20, 44), font(18, INK, false)))?;
    let mut chart = ChartBuilder::on(root)
        .margin_top(76)
        .margin_right(NAMES)
        .margin_bottom(8)
        .margin_left(8)
        .x_label_area_size(54)
        .y_label_area_size(78)
        .build_cartesian_2d(axis, 0.0..top)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(FAINT)
        .light_line_style(TRANSPARENT)
        .axis_style(INK)
        .y_labels(7)
        .y_label_formatter(&|y| format!("{y:.*}", decimals(top)))
        .label_style(font(19, INK, false))
        .axis_desc_style(font(19, INK, false))
        .x_desc(plot.x)
        .y_desc(plot.y)
        .draw()?;
    let mut names = Vec::new();
    if let Some((name, height)) = &plot.ceiling {
        let ends = [(left, *height), (right, *height)];
        chart.draw_series(DashedLineSeries::new(ends, 9, 6, INK.stroke_width(2)))?;
        let end = chart.backend_coord(&ends[1]);
        names.push(Name { text: name.clone(), end, y: end.1, colour: INK, bold: false });
    }
    // Ours last, so that it lies on top.
    for line in plot.lines.iter().rev() {
        let at = |(x, y): &(usize, f64)| chart.backend_coord(&(*x as f64, *y));
        let pixels: Vec<Pixel> = line.points.iter().map(at).collect();
        draw_line(root, line, &pixels)?;
        if let Some(&end) = pixels.last() {
            let (colour, bold) = (colour(line), line.number == 0);
            names.push(Name { text: line.who.clone(), end, y: end.1, colour, bold });
        }
    }
    spread(&mut names);
    let beside = (SIZE.0 - NAMES) as i32;
    for name in &names {
        let style = font(19, darker(name.colour), name.bold).pos(Pos::new(HPos::Left, VPos::Center));
        root.draw(&PathElement::new([name.end, (beside + 14, name.y)], name.colour.mix(0.45)))?;
        root.draw(&Text::new(name.text.clone(), (beside + 18, name.y), style))?;
    }
    Ok(())
}

fn draw_line<'a>(root: &Area<'a>, line: &Line, pixels: &[Pixel]) -> Drawn<'a> {
    let colour = colour(line);
    let (width, size) = if line.number == 0 { (4, 6) } else { (2, 4) };
    root.draw(&PathElement::new(pixels.to_vec(), colour.stroke_width(width)))?;
    for &(x, y) in pixels {
        match line.number % 3 {
            0 => root.draw(&Circle::new((x, y), size, colour.filled()))?,
            1 => root.draw(&Rectangle::new([(x - size, y - size), (x + size, y + size)], colour.filled()))?,
            _ => root.draw(&TriangleMarker::new((x, y), size + 2, colour.filled()))?,
        }
    }
    Ok(())
}

fn colour(line: &Line) -> RGBColor {
    match line.number.checked_sub(1) {
        None => OURS,
        Some(peer) => PEERS[peer % PEERS.len()],
    }
}

/// Text needs more contrast than a line.
fn darker(RGBColor(r, g, b): RGBColor) -> RGBColor {
    let part = |value: u8| (f64::from(value) * 0.7) as u8;
    RGBColor(part(r), part(g), part(b))
}

fn font(size: i32, colour: RGBColor, bold: bool) -> TextStyle<'static> {
    let style = if bold { FontStyle::Bold } else { FontStyle::Normal };
    FontDesc::new(FontFamily::SansSerif, f64::from(size), style).color(&colour)
}

/// Moves names apart that would lie on each other, the lowest no further down than the plot goes.
fn spread(names: &mut [Name]) {
    names.sort_by_key(|name| (name.y, !name.bold));
    let mut least = 0;
    for name in names.iter_mut() {
        name.y = name.y.max(least);
        least = name.y + NAME_HEIGHT;
    }
    let mut most = SIZE.1 as i32 - NAME_HEIGHT;
    for name in names.iter_mut().rev() {
        name.y = name.y.min(most);
        most = name.y - NAME_HEIGHT;
    }
}
/// Decimals that tell labels of an axis that ends at `top` apart: two digits of its first.
fn decimals(top: f64) -> usize {
    (1.0 - top.max(1e-9).log10().floor()).clamp(0.0, 6.0) as usize
}
