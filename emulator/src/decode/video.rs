//! Video instructions: which lanes they take, and where they put them (PTX ISA §9.7.19).

use super::{Decoder, Fail, Result, invalid};
use crate::alu::video::{Primary, Secondary, Taken, Video, VideoMad};
use crate::program::{Op, Reg, VideoForm};
use flashpage_ptx::ast::{Instruction, Lanes, Operand};
use flashpage_ptx::words::{Opcode, Type, Word};

/// What an opcode computes, and of how many lanes.
fn primary(inst: &Instruction) -> Option<(Primary, u8)> {
    use Opcode::*;
    // Whether it holds below, at and above.
    let comparisons = [
        (Word::Eq, [false, true, false]),
        (Word::Ne, [true, false, true]),
        (Word::Lt, [true, false, false]),
        (Word::Le, [true, true, false]),
        (Word::Gt, [false, false, true]),
        (Word::Ge, [false, true, true]),
    ];
    Some(match inst.op {
        Vadd => (Primary::Add, 1),
        Vadd2 => (Primary::Add, 2),
        Vadd4 => (Primary::Add, 4),
        Vsub => (Primary::Sub, 1),
        Vsub2 => (Primary::Sub, 2),
        Vsub4 => (Primary::Sub, 4),
        Vavrg2 => (Primary::Mean, 2),
        Vavrg4 => (Primary::Mean, 4),
        Vabsdiff => (Primary::Difference, 1),
        Vabsdiff2 => (Primary::Difference, 2),
        Vabsdiff4 => (Primary::Difference, 4),
        Vmin => (Primary::Min, 1),
        Vmin2 => (Primary::Min, 2),
        Vmin4 => (Primary::Min, 4),
        Vmax => (Primary::Max, 1),
        Vmax2 => (Primary::Max, 2),
        Vmax4 => (Primary::Max, 4),
        Vshl => (Primary::Left, 1),
        Vshr => (Primary::Right, 1),
        Vset | Vset2 | Vset4 => {
            let lanes = [Vset, Vset2, Vset4].iter().position(|op| *op == inst.op)?;
            let holds = comparisons.into_iter().find(|(word, _)| inst.has(*word))?.1;
            (Primary::Set(holds), 1 << lanes)
        }
        _ => return None,
    })
}

/// A register or a number, and the selector that follows it.
fn split(operand: &Operand) -> (Operand, Option<Lanes>) {
    match operand {
        Operand::Lanes(name, lanes) => (Operand::Register(name.clone(), None), Some(*lanes)),
        other => (other.clone(), None),
    }
}

/// What one source of a scalar instruction gives: a byte, a half, or all of it. `base` is its first byte.
fn part(selector: Option<Lanes>, ty: Type, base: u8) -> Result<Taken> {
    let signed = ty.is_signed();
    let (at, bits) = match selector {
        None => (0, 32),
        Some(Lanes { halves: true, count: 1, which: [at @ 0..=1, ..] }) => (2 * at, 16),
        Some(Lanes { halves: false, count: 1, which: [at @ 0..=3, ..] }) => (at, 8),
        Some(_) => return invalid("one byte, `.b0` to `.b3`, or one half, `.h0` or `.h1`, is selected"),
    };
    Ok(Taken { at: [base + at; 4], bits, signed })
}

/// What one source of an instruction of several lanes gives: lanes of both sources together.
fn several(selector: Option<Lanes>, ty: Type, lanes: u8, first: u8) -> Result<Taken> {
    let bytes = 4 / lanes;
    let which = match selector {
        None => [0, 1, 2, 3].map(|lane| first * lanes + lane),
        Some(s) if s.halves == (lanes == 2) && s.count == lanes => s.which,
        Some(_) => return invalid(format!("a selector of {lanes} lanes is needed, as `{}`", example(lanes))),
    };
    Ok(Taken { at: which.map(|lane| lane * bytes % 8), bits: 8 * bytes, signed: ty.is_signed() })
}

fn example(lanes: u8) -> &'static str {
    if lanes == 2 { ".h10" } else { ".b3210" }
}

/// The lanes of the result that a selector keeps, written from the highest down.
fn kept(selector: Option<Lanes>, lanes: u8) -> Result<u8> {
    let Some(s) = selector else { return Ok((1 << lanes) - 1) };
    let which = &s.which[..s.count as usize];
    if s.halves != (lanes == 2)
        || which.iter().any(|lane| *lane >= lanes)
        || !which.is_sorted_by(|a, b| a < b)
    {
        return invalid(format!("lanes of the result are selected downwards, as `{}`", example(lanes)));
    }
    Ok(which.iter().fold(0, |mask, lane| mask | 1 << lane))
}

impl Decoder<'_> {
    pub(super) fn video(&mut self, inst: &Instruction) -> Result<()> {
        let (primary, lanes) = primary(inst).ok_or(Fail::Unsupported)?;
        let is_set = matches!(primary, Primary::Set(_));
        let types = (inst.ty(0), inst.ty(1), if is_set { Some(Type::U32) } else { inst.ty(2) });
        let (Some(first), Some(second), Some(third)) = types else { return Err(Fail::Unsupported) };
        // A comparison has no type of its own: its result is zero or one.
        let (ty, a_ty, b_ty) = if is_set { (third, first, second) } else { (first, second, third) };
        if [ty, a_ty, b_ty].iter().any(|ty| !matches!(ty, Type::U32 | Type::S32)) {
            return Err(Fail::Unsupported);
        }
        let (d, a, b, c) = match &inst.operands[..] {
            [d, a, b] => (d, a, b, None),
            [d, a, b, c] => (d, a, b, Some(c)),
            _ => return invalid(format!("{} takes three or four operands", inst.op)),
        };
        let ((d, d_lanes), (a, a_lanes), (b, b_lanes)) = (split(d), split(a), split(b));
        let combining =
            [(Word::Add, Secondary::Add), (Word::Min, Secondary::Min), (Word::Max, Secondary::Max)];
        let found = combining.into_iter().find(|(word, _)| inst.has(*word));
        let mut video = Video {
            primary,
            a: part(None, a_ty, 0)?,
            b: part(None, b_ty, 4)?,
            lanes,
            bits: 32 / lanes,
            at: 0,
            mask: (1 << lanes) - 1,
            signed: ty.is_signed(),
            saturate: inst.has(Word::Sat),
            wrap: inst.has(Word::Wrap),
            secondary: found.map_or(Secondary::Merge, |(_, secondary)| secondary),
        };
        if lanes == 1 {
            video.a = part(a_lanes, a_ty, 0)?;
            video.b = part(b_lanes, b_ty, 4)?;
            let place = part(d_lanes, ty, 0)?;
            (video.at, video.bits) = (place.at[0], place.bits);
            if d_lanes.is_some() && found.is_some() {
                return invalid("a selected result is not combined with another operation");
            }
            if c.is_some() != (d_lanes.is_some() || found.is_some()) {
                return invalid("a third source goes with a selected result or another operation");
            }
        } else {
            video.a = several(a_lanes, a_ty, lanes, 0)?;
            video.b = several(b_lanes, b_ty, lanes, 1)?;
            video.mask = kept(d_lanes, lanes)?;
            if c.is_none() {
                return invalid(format!("{} takes four operands", inst.op));
            }
            if matches!(video.secondary, Secondary::Min | Secondary::Max)
                || (video.saturate && found.is_some())
            {
                return Err(Fail::Unsupported);
            }
        }
        if matches!(primary, Primary::Left | Primary::Right) {
            if b_ty != Type::U32 || inst.has(Word::Clamp) == video.wrap {
                return invalid("a shift goes by a .u32, and says .clamp or .wrap");
            }
            // How many bits are kept of what is shifted out at the top is not told.
            if primary == Primary::Left
                && (video.saturate || matches!(video.secondary, Secondary::Min | Secondary::Max))
            {
                return Err(Fail::Unsupported);
            }
        }
        let (a, b) = (self.source(&a, Type::B32)?, self.source(&b, Type::B32)?);
        let c = match c {
            None => Reg(0),
            Some(c) => {
                let before = self.reads.len();
                let c = self.source(c, Type::B32)?;
                if !video.reads_c() {
                    self.reads.truncate(before);
                }
                c
            }
        };
        let d = self.destination(&d, false)?;
        self.emit(Op::Video { form: Box::new(VideoForm::Lanes(video)), d, a, b, c });
        Ok(())
    }

    pub(super) fn video_mad(&mut self, inst: &Instruction) -> Result<()> {
        let [d, a, b, c] = &inst.operands[..] else { return invalid("vmad takes four operands") };
        let (Some(a_ty), Some(b_ty)) = (inst.ty(1), inst.ty(2)) else { return Err(Fail::Unsupported) };
        fn sign(operand: &Operand) -> (&Operand, bool) {
            match operand {
                Operand::Negate(inner) => (inner, true),
                other => (other, false),
            }
        }
        let ((a, minus_a), (b, minus_b), (c, negate_c)) = (sign(a), sign(b), sign(c));
        let ((a, a_lanes), (b, b_lanes)) = (split(a), split(b));
        let form = VideoMad {
            a: part(a_lanes, a_ty, 0)?,
            b: part(b_lanes, b_ty, 4)?,
            negate_product: minus_a != minus_b,
            negate_c,
            plus_one: inst.has(Word::Po),
            shift: if inst.has(Word::Shr7) { 7 } else { 15 * inst.has(Word::Shr15) as u8 },
            saturate: inst.has(Word::Sat),
        };
        if (form.negate_product as u8 + negate_c as u8 + form.plus_one as u8) > 1 {
            return invalid("vmad negates its product or its third source, or adds one: one of these");
        }
        let (a, b) = (self.source(&a, Type::B32)?, self.source(&b, Type::B32)?);
        let c = self.source(c, Type::B32)?;
        let d = self.destination(d, false)?;
        self.emit(Op::Video { form: Box::new(VideoForm::Mad(form)), d, a, b, c });
        Ok(())
    }
}
