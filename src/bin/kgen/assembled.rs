//! The main loops as the assembler left them, as an SVG picture: every instruction is a line at its place, in the row of the
//! unit that runs it, and products of a warpgroup are bars from their issue to the wait that ends them.

use crate::picture::{INK, KEYS, Picture, QUERY, VALUES, WIDTH, consumer_colour};
use flashpage::measure::machine_code::{InnerLoop, Instruction, Unit, unit};

const LEFT: usize = 130;
const WIDE: usize = WIDTH - LEFT - 20;
const ROW: usize = 24;
const TITLE: usize = 26;

/// What a row shows, in what colour, and which instructions.
type Lane = (&'static str, &'static str, fn(&Instruction) -> bool);

/// Rows from top to bottom; an instruction is in the first that takes it.
const LANES: [Lane; 7] = [
    ("products", INK, |i| unit(i) == Unit::Tensor),
    ("waits, barriers", "#d55e00", |i| {
        matches!(i.base(), "SYNCS" | "BAR" | "DEPBAR" | "WARPGROUP" | "LDGDEPBAR")
    }),
    ("exponentials", "#cc79a7", |i| i.opcode.starts_with("MUFU.EX2")),
    ("floats", KEYS, |i| unit(i) == Unit::Fma),
    ("integers, masks", VALUES, |i| matches!(unit(i), Unit::Alu | Unit::IntegerMultiply)),
    ("memory, shuffles", "#009e73", |i| unit(i) == Unit::Memory),
    ("uniform, branches", "#666666", |_| true),
];

/// The loops of a kernel, in the order of its code, under a title of the kernel's; `None` if there are none.
pub fn draw(name: &str, loops: &[InnerLoop]) -> Option<String> {
    let groups_of = |code: &InnerLoop| code.groups().len();
    let height_of = |code: &InnerLoop| TITLE + ROW * (LANES.len() + groups_of(code)) + 22;
    if loops.is_empty() {
        return None;
    }
    let mut picture = Picture::new(36 + loops.iter().map(height_of).sum::<usize>() + 44);
    picture.text((20, 24), "start", name);
    let mut top = 36;
    for code in loops {
        one(&mut picture, top, code);
        top += height_of(code);
    }
    picture.text((20, top + 10), "start", "From left to right in the order of the code: places, not times. Grey: jumped over while no row maximum has grown.");
    picture.text(
        (20, top + 30),
        "start",
        "A bar is a group of products: dark while they are issued, light until the wait that ends them.",
    );
    Some(picture.finish())
}

fn one(picture: &mut Picture, top: usize, code: &InnerLoop) {
    let count = code.code.len().max(1);
    let x = |at: usize| LEFT + at * WIDE / count;
    let kind = if code.is_boundary { "masked" } else { "unmasked" };
    let late = code.late_exponentials.map_or(String::new(), |late| {
        format!("; {:.0} % of its exponentials stand behind the last wait for products", 100.0 * late)
    });
    let title =
        format!("{kind} loop, {} instructions for {} scores a thread{late}", code.instructions, code.scores);
    picture.text((LEFT, top + 16), "start", &title);
    let lanes = top + TITLE;
    let tall = ROW * (LANES.len() + code.groups().len());
    let mut from = 0;
    for run in code.skipped.chunk_by(|a, b| a == b) {
        if run[0] {
            shade(picture, (x(from), lanes), (x(from + run.len()) - x(from), tall), QUERY, 0.5);
        }
        from += run.len();
    }
    for (group, (first, last, wait)) in code.groups().into_iter().enumerate() {
        let y = lanes + ROW * group;
        picture.text((LEFT - 10, y + 16), "end", if group == 0 { "products in flight" } else { "" });
        let colour = consumer_colour(group);
        let end = wait.unwrap_or(count);
        shade(picture, (x(first), y + 4), (x(end) - x(first), ROW - 8), colour, 0.4);
        shade(picture, (x(first), y + 4), ((x(last) - x(first)).max(2), ROW - 8), colour, 1.0);
    }
    let lanes = lanes + ROW * code.groups().len();
    for (row, (name, colour, _)) in LANES.iter().enumerate() {
        let y = lanes + ROW * row;
        picture.text((LEFT - 10, y + 16), "end", name);
        let mut path = String::new();
        for (at, instruction) in code.code.iter().enumerate() {
            if LANES.iter().position(|(.., takes)| takes(instruction)) == Some(row) {
                // Tenths of a pixel: a loop has more instructions than a picture has pixels.
                let tenths = 10 * LEFT + at * 10 * WIDE / count;
                path += &format!("M{}.{} {}v{}", tenths / 10, tenths % 10, y + 3, ROW - 6);
            }
        }
        picture.put(format_args!(r##"<path d="{path}" stroke="{colour}" stroke-width="1" fill="none"/>"##));
    }
    picture.put(format_args!(
        r##"<rect x="{LEFT}" y="{}" width="{WIDE}" height="{tall}" fill="none" stroke="{INK}"/>"##,
        top + TITLE
    ));
}

fn shade(picture: &mut Picture, (x, y): (usize, usize), (w, h): (usize, usize), fill: &str, opacity: f64) {
    picture.put(format_args!(
        r##"<rect x="{x}" y="{y}" width="{w}" height="{h}" fill="{fill}" fill-opacity="{opacity}"/>"##
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use flashpage::codegen::HeadDim;
    use flashpage::measure::machine_code::{Listing, inner_loops};

    #[test]
    fn a_loop_is_drawn() {
        let text = "
.L_x_0:
        /*0000*/ HGMMA.64x128x16.F32 R24, gdesc[UR8], R24, gsb0 ;
        /*0010*/ HGMMA.64x128x16.F32 R88, R4, gdesc[UR8], R88, gsb0 ;
        /*0020*/ WARPGROUP.DEPBAR.LE gsb0, 0x1 ;
        /*0030*/ @!P1 BRA `(.L_x_1) ;
        /*0040*/ FMUL R4, R4, R1 ;
.L_x_1:
        /*0050*/ MUFU.EX2 R4, R4 ;
        /*0060*/ @P0 BRA `(.L_x_0) ;";
        let drawn = draw("k", &inner_loops(&Listing::read(text), HeadDim::from(64).into())).unwrap();
        assert!(drawn.starts_with("<svg") && drawn.trim_end().ends_with("</svg>"));
        // Two groups of products, each dark and light; what can be jumped over.
        assert_eq!(drawn.matches("fill-opacity=\"0.4\"").count(), 2);
        assert_eq!(drawn.matches("fill-opacity=\"1\"").count(), 2);
        assert_eq!(drawn.matches("fill-opacity=\"0.5\"").count(), 1);
        // Every instruction once.
        assert_eq!(drawn.matches("v18").count(), 7);
        assert_eq!(draw("k", &[]), None);
    }
}
