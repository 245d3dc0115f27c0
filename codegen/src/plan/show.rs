//! A plan for people: buffers, then each role's body, a line a step.

use super::{
    Buffer, BufferId, Compute, Condition, Function, Layout, Meeting, Named, NamedBarrier, Node, Place, Plan,
    Role, Shared, Step, View, each_step,
};
use crate::layout::panel::{Order, Panels};
use crate::layout::swizzle::PERIOD;
use std::fmt::{self, Display, Formatter};

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "buffers")?;
        for buffer in &self.buffers {
            let is_empty = matches!(buffer.place, Place::Memory | Place::Registers { each: 0, .. });
            if !is_empty {
                writeln!(f, "  {buffer}")?;
            }
        }
        writeln!(f, "  {:<12} at {}, of shared memory", "end", self.shared_bytes)?;
        self.meetings(f)?;
        if !self.set_up.is_empty() {
            writeln!(f, "every thread")?;
            for step in &self.set_up {
                writeln!(f, "  {}", self.line(step))?;
            }
        }
        for role in &self.roles {
            let copies = if role.copies == 1 { String::new() } else { format!("{} x ", role.copies) };
            let plural = if role.warps == 1 { "" } else { "s" };
            let registers = role.registers.map_or_else(String::new, |n| format!(", {n} registers a thread"));
            writeln!(f, "{}: {copies}{} warp{plural}{registers}", role.name, role.warps)?;
            self.body(&role.body, 1, f)?;
        }
        Ok(())
    }
}

impl Display for Buffer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = self.name;
        match &self.place {
            Place::Memory => write!(f, "{name:<12} in device memory"),
            Place::Registers { each, slots, .. } => {
                write!(f, "{name:<12} {} registers a thread", each * slots)
            }
            Place::Shared(Shared { offset, bytes, slots, layout, barriers, .. }) => {
                write!(f, "{name:<12} at {offset}, {slots} x {bytes} B")?;
                if let Some(layout) = layout {
                    write!(f, ": {layout}")?;
                }
                match barriers {
                    Some(barriers) => write!(f, "; barriers at {}", barriers.offset),
                    None => Ok(()),
                }
            }
        }
    }
}

impl Plan {
    /// Who waits for whom: a line for each side of a buffer's barriers, and for each kind of named barrier.
    fn meetings(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.named.is_empty() {
            return Ok(());
        }
        writeln!(f, "barriers")?;
        for (index, buffer) in self.buffers.iter().enumerate() {
            let Place::Shared(Shared { barriers: Some(barriers), .. }) = buffer.place else { continue };
            let of = |view: &View| view.buffer == BufferId(index);
            let bytes = if barriers.bytes > 0 { format!(" + {} B", barriers.bytes) } else { String::new() };
            let full = self.who(|step| matches!(step, Step::AwaitFull(view) if of(view)));
            let fills = self.who(|step| match step {
                Step::Fill(view) | Step::FillOnceCopied(view) | Step::Copy { to: view, .. } => of(view),
                _ => false,
            });
            let empty = self.who(|step| matches!(step, Step::AwaitEmpty(view) if of(view)));
            let releases = self.who(|step| match step {
                Step::Release(view) | Step::ReleaseForAll(view) => of(view),
                _ => false,
            });
            let name = buffer.name;
            let plural = if barriers.fills == 1 { "" } else { "s" };
            let arrivals = format!("{} arrival{plural}", barriers.fills);
            writeln!(f, "  {name:<9} full   {full} waits for {fills}: {arrivals}{bytes}")?;
            writeln!(f, "  {:<9} empty  {empty} waits for {releases}: {} arrivals", "", barriers.empties)?;
        }
        let mut kinds: Vec<(Named, Vec<&NamedBarrier>)> = Vec::new();
        for barrier in &self.named {
            match kinds.iter_mut().find(|(of, _)| *of == barrier.of) {
                Some((_, of_kind)) => of_kind.push(barrier),
                None => kinds.push((barrier.of, vec![barrier])),
            }
        }
        for (of, barriers) in kinds {
            let numbers: Vec<String> = barriers.iter().map(|barrier| barrier.number.to_string()).collect();
            let numbers = numbers.join(", ");
            let (name, what) = match of {
                Named::Meet(Meeting::Block) => ("all", "every thread"),
                Named::Meet(Meeting::Consumers) => ("consumers", "the threads of all consumers"),
                Named::Meet(Meeting::Alone) => ("alone", "the threads of one consumer"),
                Named::Meet(Meeting::Transposers) => ("transposers", "the threads that transpose V"),
                Named::Turn => ("turns", "who waits, and who had the turn before"),
            };
            let threads = barriers.first().map_or(0, |barrier| barrier.threads);
            writeln!(f, "  {name:<9} named  {numbers}: {what}, {threads} threads")?;
        }
        Ok(())
    }

    /// The roles that have such a step, by name.
    fn who(&self, is_such: impl Fn(&Step) -> bool) -> String {
        let has = |role: &&Role| {
            let mut found = false;
            each_step(&role.body, &mut |step| found |= is_such(step));
            found
        };
        self.roles.iter().filter(has).map(|role| role.name).collect::<Vec<_>>().join(", ")
    }

    fn body(&self, nodes: &[Node], depth: usize, f: &mut Formatter<'_>) -> fmt::Result {
        let indent = "  ".repeat(depth);
        let part = |f: &mut Formatter<'_>, title: &str, nodes: &[Node]| {
            if nodes.is_empty() {
                return Ok(());
            }
            writeln!(f, "{indent}{title}")?;
            self.body(nodes, depth + 1, f)
        };
        for node in nodes {
            match node {
                Node::Step(step) => writeln!(f, "{indent}{}", self.line(step))?,
                Node::Items { next, each, last } => {
                    part(f, "for the next item", next)?;
                    part(f, "for each item", each)?;
                    part(f, "after the last item", last)?;
                }
                Node::Columns { first, each, last } => {
                    let others = match first {
                        Some(first) => {
                            part(f, "the rightmost tile of columns", first)?;
                            "for each other tile, to the left"
                        }
                        None => "for each tile of columns, from the right to the left",
                    };
                    part(f, others, each)?;
                    part(f, "after the leftmost", last)?;
                }
                Node::If { when, then, otherwise } => {
                    part(f, &format!("if {when}"), then)?;
                    part(f, "else", otherwise)?;
                }
            }
        }
        Ok(())
    }

    fn name(&self, id: BufferId) -> &'static str {
        self.buffer(id).name
    }

    /// `K@0`: with its iteration where that is not the only one.
    fn view(&self, view: View) -> String {
        match (&self.buffer(view.buffer).place, view.ago) {
            (Place::Registers { .. } | Place::Memory, 0) => self.name(view.buffer).to_owned(),
            (Place::Shared(Shared { slots: 1, .. }), 0) => self.name(view.buffer).to_owned(),
            (_, ago) => format!("{}@{ago}", self.name(view.buffer)),
        }
    }

    fn views(&self, views: &[View]) -> String {
        views.iter().map(|view| self.view(*view)).collect::<Vec<_>>().join(", ")
    }

    /// A step in a line.
    pub fn line(&self, step: &Step) -> String {
        let view = |view: &View| self.view(*view);
        match step {
            Step::AwaitFull(of) => format!("await full {}", view(of)),
            Step::AwaitEmpty(of) => format!("await empty {}", view(of)),
            Step::Fill(of) => format!("fill {}", view(of)),
            Step::FillOnceCopied(of) => format!("fill {} once copied", view(of)),
            Step::Release(of) => format!("release {}", view(of)),
            Step::ReleaseForAll(of) => format!("release {} for all warps", view(of)),
            Step::Copy { to, from, at: None } => format!("copy {} <- {}", view(to), self.name(*from)),
            Step::Copy { to, from, at: Some(at) } => {
                format!("copy {} <- {} at {}", view(to), self.name(*from), view(at))
            }
            Step::CopyAsync { to, from, at, checked } => {
                let at = at.map_or_else(String::new, |at| format!(" at {}", view(&at)));
                let checked = if *checked { ", zero past the end" } else { "" };
                format!("copy {} <- {}{at}{checked}", view(to), self.name(*from))
            }
            Step::AskFor { to, from, at } => {
                let at = at.map_or_else(String::new, |at| format!(" at {}", view(&at)));
                format!("ask for {} <- {}{at}", view(to), self.name(*from))
            }
            Step::WriteConverted { to, from } => {
                let how = if self.widens { "widened" } else { "split" };
                format!("write {} <- {}, {how}", view(to), view(from))
            }
            Step::CopyConverted { to, from, at } => {
                let at = at.map_or_else(String::new, |at| format!(" at {}", view(&at)));
                let how = if self.widens { "widened" } else { "split" };
                format!("copy {} <- {}{at}, {how}", view(to), self.name(*from))
            }
            Step::Transpose { to, from } => format!("transpose {} <- {}", view(to), view(from)),
            Step::CommitCopies => "commit copies".to_owned(),
            Step::AwaitAllCopies => "await all copies".to_owned(),
            Step::AwaitCopies(groups) => format!("await copies, {groups} left"),
            Step::Store { from, to } => format!("store {} -> {}", view(from), self.name(*to)),
            Step::AwaitStoresRead => "await stores read".to_owned(),
            Step::Multiply { into, a, b, transposed, fresh }
            | Step::MultiplyAtOnce { into, a, b, transposed, fresh } => {
                let sum = if *fresh { "=" } else { "+=" };
                let transposed = if *transposed { "" } else { "t" };
                format!("multiply {} {sum} {} {}{transposed}", self.name(*into), view(a), view(b))
            }
            Step::FenceProducts => "fence products".to_owned(),
            Step::AwaitProducts(groups) => format!("await products, {groups} left"),
            Step::FenceProxy => "fence proxy".to_owned(),
            Step::InitBarriers => "initialise barriers".to_owned(),
            Step::AwaitGrid => "await the grid before, let the next begin".to_owned(),
            Step::TakeTurn => "take turn".to_owned(),
            Step::PassTurn => "pass turn".to_owned(),
            Step::Meet(Meeting::Block) => "meet all".to_owned(),
            Step::Meet(Meeting::Consumers) => "meet consumers".to_owned(),
            Step::Meet(Meeting::Alone) => "meet warpgroup".to_owned(),
            Step::Meet(Meeting::Transposers) => "meet transposers".to_owned(),
            Step::MeetWarp => "meet warp".to_owned(),
            Step::Compute(Compute { what, reads, writes }) => match (reads.as_slice(), writes.as_slice()) {
                (reads, []) => format!("{what} of {}", self.views(reads)),
                ([], writes) => format!("{} <- {what}", self.views(writes)),
                (reads, writes) => format!("{} <- {what} of {}", self.views(writes), self.views(reads)),
            },
        }
    }
}

impl Display for Layout {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Layout::Panels(panels) => panels.fmt(f),
            Layout::Columns(panels) => write!(f, "transposed, {panels}"),
            Layout::Groups(groups) => {
                write!(f, "transposed, [{} groups of 16 keys][{}][16 B]", groups.groups(), groups.numbers)
            }
            Layout::Rows(rows, swizzle) => {
                write!(f, "[{rows} rows][{} B], swizzled", swizzle.row_bytes)?;
                match swizzle.span() {
                    128 => Ok(()),
                    span => write!(f, " within {span} B"),
                }
            }
        }
    }
}

impl Display for Panels {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Panels { rows, span, count, order } = *self;
        match order {
            Order::ByPanel => write!(f, "{count} x [{rows} rows][{span} B]")?,
            Order::ByGroup => write!(f, "{} x {count} x [{PERIOD} rows][{span} B]", rows / PERIOD)?,
        }
        write!(f, ", swizzled within {PERIOD} rows")
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Condition::SeesColumns => "some row sees a column",
            Condition::EndsInTile => "the sequence ends in this tile",
            Condition::KeepsAny => "the warp keeps some score",
            Condition::MaximumGrew => "some maximum of the warp grew",
            Condition::WholeRows => "all rows of the warpgroup exist",
            Condition::FirstWarp => "the warp is the first",
        })
    }
}

impl Display for Function {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Function::Describe => "description",
            Function::Read => "reading",
            Function::LookUp => "look-up",
            Function::Convert => "conversion",
            Function::Load => "fragments",
            Function::Conditions => "conditions",
            Function::Scores => "maps and masks",
            Function::RowMaxima => "row maxima",
            Function::RaiseMaxima => "the greater",
            Function::Growth => "growth",
            Function::MoveMaxima => "moving",
            Function::Exponentials { polynomials: 0 } => "exponentials",
            Function::Exponentials { polynomials } => {
                return write!(f, "exponentials, {polynomials} of 16 by polynomial,");
            }
            Function::AddToSums => "adding up",
            Function::Pin => "pin",
            Function::Round => "rounding",
            Function::AddProducts => "adding up",
            Function::Rescale => "rescaling",
            Function::Clear => "zero",
            Function::ClearRows => "zero past the end",
            Function::ClearSpareRows => "zero in rows that no copy reaches",
            Function::RowSums => "row sums",
            Function::Divide => "quotients, rounded",
            Function::StoreLse => "log-sum-exp",
            Function::StoreRows => "stores by rows",
            Function::StoreDirect => "quotients, stored",
            Function::StorePartial => "partial results",
            Function::StoreNothing => "nothing seen",
        })
    }
}
