//! A Hopper schedule for a person: what [`Schedule`]'s `Display` prints.

use super::hopper::WARPGROUP_WARPS;
use super::hopper_timeline::{Event, Lane, Span, Timeline};
use super::{BarrierAt, HopperRow, MaskClass, OutputIn, Rescale, Roles, Schedule, WARPGROUP_ROWS};
use crate::analysis::attention::Attention;
use crate::spec::{Arch, Spec};
use std::fmt::{self, Formatter};

/// Characters of the timeline.
const WIDTH: usize = 112;

impl HopperRow {
    /// The row of the table that a spec's schedule begins with; `None` for a target without a table of these.
    pub fn of(spec: &Spec, attention: &Attention) -> Option<&'static HopperRow> {
        (spec.arch == Arch::Sm90a)
            .then(|| super::hopper_table::row(spec.head_dim, spec.shape, MaskClass::of(attention)))
            .flatten()
    }
}

impl fmt::Display for HopperRow {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mask = match self.mask {
            None => "any mask",
            Some(MaskClass::Full) => "no mask",
            Some(MaskClass::Bounded) => "a mask",
            Some(MaskClass::Placed) => "maps of places",
        };
        let rows = self.consumers * WARPGROUP_ROWS;
        write!(
            f,
            "head_dim {}, {}, {mask}: {rows} x {}, {} stages",
            self.head_dim, self.shape, self.cols, self.stages
        )
    }
}

pub(super) fn show(s: &Schedule, roles: Roles, f: &mut Formatter<'_>) -> fmt::Result {
    writeln!(f, "schedule for {}, head_dim {}", s.arch, s.head_dim)?;
    show_roles(s, roles, f)?;
    show_choices(s, roles, f)?;
    show_copies(s, f)?;
    show_memory(s, f)?;
    show_barriers(s, f)?;
    show_timeline(s, f)?;
    writeln!(f, "  walk over row tiles")?;
    writeln!(f, "    {} on each multiprocessor, until the list ends", blocks(s.blocks_per_sm))?;
    writeln!(f, "    in sections of heads and sequences, of which the L2 cache holds the K and V of two")?;
    writeln!(
        f,
        "    longest first: in a section row tiles from the end of the sequences, heads next to each other"
    )?;
    writeln!(f, "    block b begins with tile b, and takes every other from a counter in memory")?;
    writeln!(f, "    a planned kernel's block b takes the items b, n+b, 2n+b, … of its list, of n blocks")
}

fn show_roles(s: &Schedule, roles: Roles, f: &mut Formatter<'_>) -> fmt::Result {
    let consumers = s.consumers();
    writeln!(f, "  tile        {} rows x {} columns", s.rows, s.cols)?;
    writeln!(
        f,
        "  roles       1 producer warpgroup, {} registers a thread: 1 warp of {WARPGROUP_WARPS} copies",
        roles.producer_registers
    )?;
    writeln!(
        f,
        "              {consumers} consumer warpgroup{}, {} registers a thread: {WARPGROUP_ROWS} rows each",
        plural(consumers),
        roles.consumer_registers
    )?;
    let [output, scores, probabilities] = s.consumer_holds();
    writeln!(
        f,
        "  a consumer  holds O {output} + scores {scores} + probabilities {probabilities} = {} registers, beside \
         addresses and limits",
        output + scores + probabilities
    )?;
    let turns: Vec<String> =
        s.meetings().iter().filter(|m| m.name.starts_with("turn")).filter_map(|m| named(m.at)).collect();
    match turns.as_slice() {
        [] => writeln!(f, "  turns       none"),
        turns => writeln!(
            f,
            "  turns       consumers issue products one after another: named barriers {}",
            turns.join(", ")
        ),
    }
}

fn show_choices(s: &Schedule, roles: Roles, f: &mut Formatter<'_>) -> fmt::Result {
    let [output, ..] = s.consumer_holds();
    match s.rescale {
        Rescale::Always => writeln!(f, "  rescale     every column tile: {output} multiplications a thread")?,
        Rescale::Grown { threshold } => writeln!(
            f,
            "  rescale     when a row maximum has grown by a factor of more than 2^{threshold}: spares {output} \
             multiplications a thread\n              for most tiles, and is exact: O and the row sum keep the same factor"
        )?,
    }
    match roles.polynomial {
        0 => writeln!(f, "  exp2        on the special-function unit")?,
        n => writeln!(f, "  exp2        of 16, {n} by polynomial, {} on the special-function unit", 16 - n)?,
    }
    match roles.output {
        OutputIn::Own => {
            writeln!(f, "  O           leaves through memory of its own: the next Q comes meanwhile")
        }
        OutputIn::OverQuery => {
            writeln!(f, "  O           leaves through Q's memory: the next Q waits for it")
        }
    }
}

fn show_copies(s: &Schedule, f: &mut Formatter<'_>) -> fmt::Result {
    let (kv, query) = (s.kv_copies(), s.query_copies());
    writeln!(
        f,
        "  copies      a tile of K or V: {} of {} rows x {} B, a lane each",
        boxes(kv.boxes),
        kv.rows,
        kv.row_bytes
    )?;
    writeln!(
        f,
        "              Q: {} of whole tokens x {} B; O: {} a warpgroup, of {WARPGROUP_ROWS} rows",
        boxes(query.boxes),
        query.row_bytes,
        boxes(query.boxes)
    )
}

fn show_memory(s: &Schedule, f: &mut Formatter<'_>) -> fmt::Result {
    writeln!(f, "  shared memory")?;
    for region in s.regions() {
        let layout = region.layout.map_or_else(|| "mbarrier".to_owned(), |tile| tile.to_string());
        writeln!(f, "    {:>6}  {:<10} {:>6} B  {layout}", region.offset, region.name, region.bytes)?;
    }
    let (end, limit) = (s.shared_bytes(), s.shared_limit());
    writeln!(f, "    {end:>6}  end, of {limit} for {} on a multiprocessor", blocks(s.blocks_per_sm))
}

fn show_barriers(s: &Schedule, f: &mut Formatter<'_>) -> fmt::Result {
    writeln!(f, "  barriers")?;
    writeln!(f, "    {:<14} {:<41} {:<37} arrivals", "", "waits", "arrives")?;
    for meeting in s.meetings() {
        let name = match named(meeting.at) {
            Some(number) => format!("{number} {}", meeting.name),
            None => meeting.name,
        };
        let count = match (meeting.at, meeting.bytes) {
            (BarrierAt::Named(_), _) => format!("{} threads", meeting.arrivals),
            (_, 0) => meeting.arrivals.to_string(),
            (_, bytes) => format!("{} + {bytes} B", meeting.arrivals),
        };
        writeln!(f, "    {name:<14} {:<41} {:<37} {count}", meeting.waits, meeting.arrives)?;
    }
    Ok(())
}

fn show_timeline(s: &Schedule, f: &mut Formatter<'_>) -> fmt::Result {
    let Some(timeline) = Timeline::of(s) else { return Ok(()) };
    let iterations = match timeline.iterations {
        1 => "one iteration".to_owned(),
        n => format!("{n} iterations"),
    };
    writeln!(f, "  {iterations} of the main loop, some {} cycles", timeline.cycles)?;
    for lane in Timeline::lanes(s.consumers()) {
        let name = match lane {
            Lane::Producer => "producer".to_owned(),
            Lane::Consumer(which) => format!("consumer {which}"),
            Lane::TensorCores => "tensor cores".to_owned(),
        };
        writeln!(f, "    {name:<12} {}", draw(&timeline.on(lane), timeline.cycles))?;
        if let Lane::Consumer(which) = lane {
            writeln!(f, "    {:<12} {}", "", moments(&timeline, which))?;
        }
    }
    let issue = if s.meetings().iter().any(|meeting| meeting.name.starts_with("turn")) {
        "products issued and the turn passed on"
    } else {
        "products issued"
    };
    writeln!(f, "    ^ {issue}, k its K slot released, v its V slot released")?;
    writeln!(
        f,
        "    0 S(j): S = Q Kᵀ of consumer 0; PV: O += P V; P: rounding, then rescaling; j+1 is the tile before j"
    )?;
    let share = timeline.busy(Lane::TensorCores) * 100 / timeline.cycles.max(1);
    writeln!(f, "    tensor cores are busy for {share} % of it")?;
    for line in wrap(&Timeline::assumptions(), WIDTH) {
        writeln!(f, "    {line}")?;
    }
    Ok(())
}

/// A lane: `│` where something begins, its name as far as there is room, `─` to its end.
fn draw(spans: &[Span], cycles: usize) -> String {
    let column = |at: usize| at * WIDTH / cycles.max(1);
    let mut line = vec![' '; WIDTH + 1];
    for span in spans {
        let (from, to) = (column(span.from), column(span.to).min(WIDTH));
        let room = to.saturating_sub(from + 1);
        let label: Vec<char> = span.label().chars().collect();
        let label = if label.len() <= room { label } else { label.into_iter().take(room).collect() };
        for (place, cell) in line[from..to].iter_mut().enumerate() {
            *cell = match place {
                0 => '│',
                place => label.get(place - 1).copied().unwrap_or('─'),
            };
        }
        line[to] = '│';
    }
    line.into_iter().collect::<String>().trim_end().to_owned()
}

fn moments(timeline: &Timeline, consumer: usize) -> String {
    let mut line = vec![' '; WIDTH + 1];
    for moment in timeline.moments.iter().filter(|moment| moment.consumer == consumer) {
        let mark = match moment.event {
            Event::Issue => '^',
            Event::FreeKeys => 'k',
            Event::FreeValues => 'v',
        };
        let at = moment.at * WIDTH / timeline.cycles.max(1);
        // Two at one place stand next to each other.
        if let Some(cell) = line.iter_mut().skip(at).find(|cell| **cell == ' ') {
            *cell = mark;
        }
    }
    line.into_iter().collect::<String>().trim_end().to_owned()
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => *line = word.to_owned(),
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn named(at: BarrierAt) -> Option<String> {
    match at {
        BarrierAt::Named(number) => Some(number.to_string()),
        BarrierAt::Shared(_) => None,
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn boxes(count: usize) -> String {
    format!("{count} box{}", if count == 1 { "" } else { "es" })
}

fn blocks(count: u32) -> String {
    format!("{count} block{}", plural(count as usize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::SM90;

    /// Every row prints a map that ends at the shared memory asked for, every barrier, and every lane.
    #[test]
    fn every_row_is_shown() {
        for row in SM90 {
            let schedule = Schedule::of_hopper_row(row);
            let text = schedule.to_string();
            let map: Vec<&str> = text
                .lines()
                .skip_while(|line| *line != "  shared memory")
                .skip(1)
                .take_while(|line| *line != "  barriers")
                .collect();
            let offsets: Vec<usize> = map
                .iter()
                .map(|line| line.split_whitespace().next().and_then(|word| word.parse().ok()).expect(line))
                .collect();
            assert_eq!(offsets.last(), Some(&schedule.shared_bytes()), "{text}");
            assert!(offsets.windows(2).all(|pair| pair[0] < pair[1]), "{text}");
            assert_eq!(offsets.len(), schedule.regions().len() + 1);
            for meeting in schedule.meetings() {
                let is_there = map.iter().any(|line| line.contains(&meeting.name));
                assert_eq!(
                    is_there,
                    matches!(meeting.at, BarrierAt::Shared(_)),
                    "{} in\n{text}",
                    meeting.name
                );
                assert!(text.contains(&format!("{} {}", meeting.name, "")), "{text}");
            }
            for lane in ["producer", "consumer 0", "tensor cores"] {
                assert!(text.contains(&format!("\n    {lane:<12} ")), "{lane} in\n{text}");
            }
        }
    }
}
