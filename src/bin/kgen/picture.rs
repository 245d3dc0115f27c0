//! A Hopper schedule as two SVG pictures: who reads and writes which part of shared memory, and the main loop in time.
//!
//! Drawn on white, so that they read in a light and in a dark page. Colours are Okabe and Ito's.

use flashpage::codegen::plan::timeline::{Activity, Event, Lane};
use flashpage::codegen::plan::{Named, Place, Plan, Shared, attention};
use flashpage::codegen::schedule::Schedule;
use std::fmt::Write;

pub const INK: &str = "#222222";
const FAINT: &str = "#666666";
pub const QUERY: &str = "#cccccc";
pub const KEYS: &str = "#56b4e9";
pub const VALUES: &str = "#e69f00";
const SOFTMAX: &str = "#f0e442";
const PRODUCER: &str = "#e5e5e5";
/// Of consumers, and of their products.
const CONSUMERS: [&str; 3] = ["#009e73", "#cc79a7", "#8da0cb"];
pub const WIDTH: usize = 960;

/// A picture in the making.
pub struct Picture {
    body: String,
    height: usize,
}

impl Picture {
    pub fn new(height: usize) -> Picture {
        Picture { body: String::new(), height }
    }

    /// Formatting into a string cannot fail.
    pub fn put(&mut self, text: std::fmt::Arguments<'_>) {
        let _ = self.body.write_fmt(text);
        self.body.push('\n');
    }

    fn rect(&mut self, (x, y): (usize, usize), (w, h): (usize, usize), fill: &str) {
        self.put(format_args!(
            r##"<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="2" fill="{fill}" stroke="{INK}"/>"##
        ));
    }

    pub fn text(&mut self, (x, y): (usize, usize), anchor: &str, text: &str) {
        self.put(format_args!(r##"<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>"##));
    }

    fn arrow(&mut self, (x, y): (usize, usize), (to_x, to_y): (usize, usize), colour: &str) {
        self.put(format_args!(
            r##"<line x1="{x}" y1="{y}" x2="{to_x}" y2="{to_y}" stroke="{colour}" stroke-width="1.5" marker-end="url(#end)"/>"##
        ));
    }

    pub fn finish(self) -> String {
        let Picture { body, height } = self;
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="13" fill="{INK}">
<defs><marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="{INK}"/></marker></defs>
<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>
{body}</svg>
"##
        )
    }
}

pub fn consumer_colour(consumer: usize) -> &'static str {
    CONSUMERS[consumer % CONSUMERS.len()]
}

/// A slot of a tile in shared memory.
struct Region {
    name: String,
    offset: usize,
    bytes: usize,
}

/// The tiles of shared memory, slot by slot from its start. Where O goes over Q, they are one.
fn tiles(plan: &Plan) -> Vec<Region> {
    let mut regions: Vec<Region> = Vec::new();
    for buffer in &plan.buffers {
        let Place::Shared(Shared { offset, bytes, slots, stride, layout: Some(_), .. }) = buffer.place else {
            continue;
        };
        for slot in 0..slots {
            let offset = offset + slot * stride;
            match regions.iter_mut().find(|region| region.offset == offset) {
                Some(first) => first.name = format!("{}, then {}", first.name, buffer.name),
                None if slots == 1 => regions.push(Region { name: buffer.name.to_owned(), offset, bytes }),
                None => regions.push(Region { name: format!("{} {slot}", buffer.name), offset, bytes }),
            }
        }
    }
    regions.sort_by_key(|region| region.offset);
    regions
}

/// Shared memory in the middle, the producer to its left, consumers to its right; `None` for a schedule without roles.
pub fn memory(schedule: &Schedule, plan: &Plan) -> Option<String> {
    const TOP: usize = 60;
    const TALL: usize = 440;
    const MAP: (usize, usize) = (350, 230);
    let roles = schedule.roles()?;
    let (producer_registers, consumer_registers) = roles.registers();
    let mut picture = Picture::new(TOP + TALL + 76);
    let tiles = tiles(plan);
    let bytes: usize = tiles.iter().map(|region| region.bytes).sum();
    picture.text((MAP.0 + MAP.1 / 2, 22), "middle", "shared memory of a block");
    let (keys, values) = (roles.key_copies().boxes, roles.value_copies().boxes);
    let count = if keys == values { keys.to_string() } else { format!("{keys} or {values}") };
    picture.rect((30, TOP + 130), (190, 132), PRODUCER);
    for (line, text) in [
        "producer: 1 warp".to_owned(),
        format!("{} registers a thread", producer_registers),
        "waits for empty slots".to_owned(),
        format!("copies {count} boxes a tile"),
        "full counts their bytes".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        picture.text((125, TOP + 156 + 23 * line), "middle", text);
    }
    let consumers = roles.consumers();
    let height = (TALL - 40) / consumers;
    for consumer in 0..consumers {
        let y = TOP + consumer * (height + 40 / consumers);
        picture.rect((720, y), (210, height), consumer_colour(consumer));
        for (line, text) in [
            format!("consumer {consumer}: 4 warps"),
            format!("{} registers a thread", consumer_registers),
            format!("rows {} to {}", consumer * 64, consumer * 64 + 63),
            "scores, P and O in registers".to_owned(),
            "arrives at empty when read".to_owned(),
        ]
        .iter()
        .enumerate()
        {
            picture.text((825, y + height / 2 - 38 + 22 * line), "middle", text);
        }
    }
    let mut y = TOP;
    for (index, region) in tiles.iter().enumerate() {
        let end = TOP + (region.offset + region.bytes) * TALL / bytes.max(1);
        let middle = (y + end) / 2;
        let colour = match region.name.chars().next() {
            Some('K') => KEYS,
            Some('V') => VALUES,
            _ => QUERY,
        };
        picture.rect((MAP.0, y), (MAP.1, end - y), colour);
        picture.text(
            (MAP.0 + MAP.1 / 2, middle + 5),
            "middle",
            &format!("{}, {} KiB", region.name, region.bytes / 1024),
        );
        picture.text((MAP.0 + 5, y + 15), "start", &region.offset.to_string());
        let spread = |low: usize, high: usize| low + (high - low) * (2 * index + 1) / (2 * tiles.len());
        if region.name != "O tile" {
            picture.arrow((220, spread(TOP + 130, TOP + 262)), (MAP.0 - 2, middle), INK);
        }
        for consumer in 0..consumers {
            let top = TOP + consumer * (height + 40 / consumers);
            let at = (718, spread(top, top + height));
            let of = (MAP.0 + MAP.1 + 2, middle);
            let (from, to) = if region.name == "O tile" { (at, of) } else { (of, at) };
            picture.arrow(from, to, consumer_colour(consumer));
        }
        y = end;
    }
    picture.rect((MAP.0, y), (MAP.1, 26), "#ffffff");
    picture.text(
        (MAP.0 + MAP.1 / 2, y + 18),
        "middle",
        &format!("{} barriers, full and empty", plan.mbarriers().len()),
    );
    let end = format!("{} bytes of {}", plan.shared_bytes, roles.shared_limit());
    picture.text((MAP.0 + MAP.1 / 2, y + 48), "middle", &end);
    Some(picture.finish())
}

/// The main loop's lanes from left to right in time; `None` of a plan without one.
pub fn iteration(schedule: &Schedule, plan: &Plan) -> Option<String> {
    const LEFT: usize = 110;
    const WIDE: usize = WIDTH - LEFT - 20;
    const LANE: usize = 66;
    const TOP: usize = 44;
    let timeline = plan.timeline()?;
    let lanes = &timeline.lanes;
    let mut picture = Picture::new(TOP + LANE * lanes.len() + 58);
    let x = |at: usize| LEFT + at * WIDE / timeline.cycles.max(1);
    let title = format!(
        "head_dim {}, {} rows x {} columns, {} stages: {}, some {} cycles",
        schedule.head_dim,
        schedule.rows,
        schedule.cols,
        schedule.stages,
        timeline.length(),
        timeline.cycles
    );
    picture.text((LEFT, 24), "start", &title);
    for (index, (lane, name)) in lanes.iter().enumerate() {
        let y = TOP + LANE * index;
        picture.text((LEFT - 10, y + 25), "end", name);
        picture.put(format_args!(
            r##"<line x1="{LEFT}" y1="{}" x2="{}" y2="{}" stroke="{FAINT}"/>"##,
            y + 20,
            LEFT + WIDE,
            y + 20
        ));
        for span in timeline.on(*lane) {
            let (from, to) = (x(span.from), x(span.to));
            let colour = match span.work {
                Activity::Copy(attention::KEYS) => KEYS,
                Activity::Copy(_) => VALUES,
                Activity::Scores(consumer) | Activity::Output(consumer) => consumer_colour(consumer),
                Activity::Softmax => SOFTMAX,
                Activity::Round | Activity::Convert | Activity::Rescale => QUERY,
            };
            picture.rect((from, y + 4), (to - from, 32), colour);
            let label = span.label();
            // Some seven pixels a character.
            if label.len() * 7 < to - from {
                picture.text(((from + to) / 2, y + 25), "middle", &label);
            }
        }
        let Lane::Warps(copy) = lane else { continue };
        for moment in timeline.moments.iter().filter(|moment| moment.copy == *copy) {
            // Above and below: a turn often comes as a slot goes.
            let (what, below) = match moment.event {
                Event::Issue => ("issue", 0),
                Event::Release(attention::KEYS) => ("free K", 54),
                Event::Release(attention::VALUES) => ("free V", 54),
                Event::Release(_) => continue,
            };
            let at = x(moment.at);
            picture.put(format_args!(
                r##"<line x1="{at}" y1="{}" x2="{at}" y2="{}" stroke="{INK}" stroke-width="2"/>"##,
                y,
                y + 42
            ));
            picture.put(format_args!(r##"<text x="{at}" y="{}" font-size="11">{what}</text>"##, y + below));
        }
    }
    let y = TOP + LANE * lanes.len() + 10;
    picture.text((LEFT, y), "start", "S(j) = Q K(j)ᵀ; PV(j): O += P(j) V(j); j+1 is the tile before j.");
    let turns = plan.named.iter().any(|barrier| barrier.of == Named::Turn);
    if turns {
        let said = "Consumers issue both products in their turn, and pass it on; the tensor cores run them in that order.";
        picture.text((LEFT, y + 20), "start", said);
    }
    Some(picture.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flashpage::codegen::choice::{SM80, SM90};
    use flashpage::codegen::plan::attention::Form;

    #[test]
    fn every_row_is_drawn() {
        let form = Form { output: true, lse: true, ..Form::default() };
        let ring = SM80.iter().map(|row| Schedule::from(row.schedule()));
        for schedule in ring.chain(SM90.iter().map(|row| Schedule::from(row.schedule()))) {
            let plan = schedule.plan(form);
            let (memory, iteration) = (memory(&schedule, &plan), iteration(&schedule, &plan));
            assert_eq!(memory.is_some(), schedule.roles().is_some(), "{schedule}");
            assert!(iteration.is_some(), "{schedule}");
            for drawn in memory.into_iter().chain(iteration) {
                assert!(drawn.starts_with("<svg") && drawn.trim_end().ends_with("</svg>"));
                assert_eq!(drawn.matches("<text").count(), drawn.matches("</text>").count());
            }
        }
    }
}
