//! A plot as SVG: lines over a scaled plane, with ticks and a legend.

use std::fmt::Write as _;

/// Of the whole picture, and of the margins around the plane.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 210.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 46.0;
/// Told apart by most eyes (after Okabe and Ito).
const COLOURS: [&str; 8] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#777777", "#000000",
];

/// How values become places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    Linear,
    /// Values at or below 0 have no place.
    Log,
}

/// An axis: its scale, what it shows, and where its ticks are; none: at round values.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) label: &'static str,
    pub(super) scale: Scale,
    pub(super) ticks: Vec<(f64, String)>,
}

/// Points in the order in which they are joined.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// Draws it. `id` names it in the page.
pub(super) fn draw(id: &str, x: &Axis, y: &Axis, lines: &[Line]) -> String {
    let all = || lines.iter().flat_map(|line| line.points.iter());
    let (across, up) = (
        Span::of(x, all().map(|p| p.0)),
        Span::of(y, all().map(|p| p.1)),
    );
    let mut svg = format!(
        "<svg id=\"{id}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\">\n"
    );
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    for (at, text) in across.ticks(x) {
        if let Some(part) = across.part(at) {
            let px = LEFT + part * (right - LEFT);
            tick(
                &mut svg,
                [px, TOP, px, bottom],
                [px, bottom + 16.0],
                "middle",
                &text,
            );
        }
    }
    for (at, text) in up.ticks(y) {
        if let Some(part) = up.part(at) {
            let py = bottom - part * (bottom - TOP);
            tick(
                &mut svg,
                [LEFT, py, right, py],
                [LEFT - 6.0, py + 4.0],
                "end",
                &text,
            );
        }
    }
    let middle = (LEFT + right) / 2.0;
    label(&mut svg, [middle, HEIGHT - 8.0], "middle", x.label, "");
    let turned = format!(" transform=\"rotate(-90 14 {0:.0})\"", (TOP + bottom) / 2.0);
    label(
        &mut svg,
        [14.0, (TOP + bottom) / 2.0],
        "middle",
        y.label,
        &turned,
    );
    for (number, line) in lines.iter().enumerate() {
        write_line(&mut svg, number, line, &across, &up);
    }
    svg + "</svg>\n"
}

/// A line and its place in the legend.
fn write_line(svg: &mut String, number: usize, line: &Line, across: &Span, up: &Span) {
    let colour = COLOURS[number % COLOURS.len()];
    // Beyond the colours the lines are dashed.
    let dash = if number < COLOURS.len() {
        "none"
    } else {
        "6 3"
    };
    let place = |&(x, y): &(f64, f64)| {
        let plane = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
        let px = LEFT + across.part(x)? * plane.0;
        let py = HEIGHT - BOTTOM - up.part(y)? * plane.1;
        Some(format!("{px:.1},{py:.1}"))
    };
    let points: Vec<String> = line.points.iter().filter_map(place).collect();
    _ = writeln!(
        svg,
        "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\" stroke-dasharray=\"{dash}\" points=\"{}\"/>",
        points.join(" ")
    );
    let y = TOP + 10.0 + 17.0 * number as f64;
    let from = WIDTH - RIGHT + 12.0;
    _ = writeln!(
        svg,
        "<line x1=\"{from}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\" stroke=\"{colour}\" stroke-width=\"2.5\" stroke-dasharray=\"{dash}\"/>",
        from + 20.0
    );
    label(svg, [from + 26.0, y + 4.0], "start", &line.name, "");
}

fn tick(svg: &mut String, [x1, y1, x2, y2]: [f64; 4], at: [f64; 2], anchor: &str, text: &str) {
    _ = writeln!(
        svg,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" class=\"grid\"/>"
    );
    label(svg, at, anchor, text, "");
}

fn label(svg: &mut String, [x, y]: [f64; 2], anchor: &str, text: &str, more: &str) {
    let text = escaped(text);
    _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"{more}>{text}</text>"
    );
}

/// Text that is only text in a page.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// From where to where an axis goes, as scaled.
struct Span {
    scale: Scale,
    from: f64,
    to: f64,
}

impl Span {
    fn of(axis: &Axis, values: impl Iterator<Item = f64>) -> Self {
        let scale = axis.scale;
        let (mut from, mut to) = (f64::INFINITY, f64::NEG_INFINITY);
        for at in values.filter_map(|value| scaled(scale, value)) {
            (from, to) = (from.min(at), to.max(at));
        }
        if from > to {
            (from, to) = (0.0, 1.0);
        }
        match scale {
            Scale::Linear => from = from.min(0.0),
            // Whole decades, so that each has a tick.
            Scale::Log if axis.ticks.is_empty() => (from, to) = (from.floor(), to.ceil()),
            Scale::Log => {}
        }
        if to - from < 1e-9 {
            to = from + 1.0;
        }
        Self { scale, from, to }
    }

    /// Which part of the axis lies before a value.
    fn part(&self, value: f64) -> Option<f64> {
        let at = scaled(self.scale, value)?;
        let part = (at - self.from) / (self.to - self.from);
        (-1e-6..=1.0 + 1e-6).contains(&part).then_some(part)
    }

    fn ticks(&self, axis: &Axis) -> Vec<(f64, String)> {
        if !axis.ticks.is_empty() {
            return axis.ticks.clone();
        }
        match self.scale {
            Scale::Log => {
                let mut ticks = Vec::new();
                let mut decade = self.from;
                while decade <= self.to + 1e-9 {
                    let value = 10_f64.powf(decade);
                    ticks.push((value, format!("{value}")));
                    decade += 1.0;
                }
                ticks
            }
            Scale::Linear => (0..=5)
                .map(|n| self.from + (self.to - self.from) * f64::from(n) / 5.0)
                .map(|value| (value, format!("{value:.0}")))
                .collect(),
        }
    }
}

fn scaled(scale: Scale, value: f64) -> Option<f64> {
    match scale {
        Scale::Linear => Some(value),
        Scale::Log => (value > 0.0).then(|| value.log10()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decade_has_its_place_on_a_logarithmic_axis() {
        let axis = Axis {
            label: "µs",
            scale: Scale::Log,
            ticks: Vec::new(),
        };
        let span = Span::of(&axis, [3.0, 700.0].into_iter());
        assert_eq!(span.ticks(&axis).len(), 4, "1, 10, 100, 1000");
        let near = |value: f64, part: f64| {
            let found = span.part(value).expect("on the axis");
            assert!((found - part).abs() < 1e-9, "{value} at {found}");
        };
        near(1.0, 0.0);
        near(10.0, 1.0 / 3.0);
        near(1_000.0, 1.0);
        assert_eq!(span.part(0.0), None);
        assert_eq!(span.part(10_000.0), None);
    }

    #[test]
    fn points_lie_where_their_values_say() {
        let axis = |label| Axis {
            label,
            scale: Scale::Linear,
            ticks: Vec::new(),
        };
        let line = Line {
            name: "a<b".into(),
            points: vec![(0.0, 0.0), (10.0, 5.0)],
        };
        let svg = draw("p", &axis("x"), &axis("y"), &[line]);
        assert!(svg.contains("points=\"70.0,354.0 550.0,16.0\""), "{svg}");
        assert!(svg.contains("a&lt;b"), "{svg}");
    }
}
