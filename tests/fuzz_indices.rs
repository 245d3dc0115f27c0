//! Kernels that read vectors, tables and bits at any number at all, over lengths, shapes and block tables that are drawn, good and
//! bad: a launch is refused with words that name what is wrong, and nothing is written; or it runs without a word from the
//! sanitizers, and gives what the reference gives.
//!
//! 60 are drawn, the same ones every time in CI and others each time elsewhere. `FLASHPAGE_INDICES=5000` draws so many,
//! `FLASHPAGE_INDEX_SEED=17` begins there, and alone draws that one.

use crate::kernel_source;
use crate::planning;
use crate::targets;

use crate::programs::draw::Draw;
use flashpage::codegen::Program;
use flashpage::codegen::program::{Along, ParamKind, ScalarType, Vector};
use flashpage::prelude::*;
use flashpage::runtime::args::BitMask;
use flashpage::runtime::problem::{Inputs, Problem};
use flashpage::runtime::{
    Argument, AsyncPolicy, EmulatorOptions, LaunchError, WarpOrder, equivalence, launch,
};
use kernel_source::{Cache, kernel, program};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Launches drawn where nobody says how many.
const COUNT: u64 = 60;

/// Numbers at the ends of what there is.
const ENDS: [i32; 9] =
    [i32::MIN, i32::MIN + 1, -1_500_000_007, -1, 0, 1, 2_000_000_011, i32::MAX - 1, i32::MAX];

/// What a kernel may read: its name, its type, and how many indices it takes.
const READ: [(&str, &str, usize); 11] = [
    ("slopes", "PerHead<f32>", 1),
    ("windows", "PerHead<i32>", 1),
    ("worths", "PerKey<f32>", 1),
    ("documents", "PerKey<i32>", 1),
    ("lifts", "PerQuery<f32>", 1),
    ("kinds", "PerQuery<i32>", 1),
    ("shares", "PerSequence<f32>", 1),
    ("prefixes", "PerSequence<i32>", 1),
    ("bias", "Bias<T>", 3),
    ("sums", "Bias<f32>", 3),
    ("tree", "BitMask", 2),
];

/// What is wrong with a launch, if anything is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Spoilt {
    Nothing,
    /// An entry of the block table that is in use.
    Entry(i32),
    /// A block table with a column less than the longest sequence needs.
    Table,
    /// One number less than there are heads, sequences, queries or keys, or one more where that is wrong too.
    Vector(bool),
    /// Where the numbers of keys begin, past the end of their tensor.
    Starts,
    /// A bias of this shape.
    Bias([usize; 4]),
    /// Bits of a row less than the mask says.
    Bits,
    /// A number that is none.
    Scale(f32),
}

/// A launch.
struct Drawn {
    seed: u64,
    cache: Cache,
    /// Of [`READ`].
    reads: Vec<usize>,
    /// Terms of a score.
    terms: Vec<String>,
    /// Conditions of a mask.
    keeps: Vec<String>,
    sink: Option<String>,
    problem: Problem,
    spoilt: Spoilt,
}

struct Writer {
    draw: Draw,
    reads: Vec<usize>,
}

impl Writer {
    /// An integer of any size. Of a sink, no column is known.
    fn int(&mut self, depth: usize, has_col: bool) -> String {
        if depth == 0 || self.draw.percent(20) {
            let places = ["row", "query", "head", "seq", "q_len", "kv_len", "col", "col"];
            return match self.draw.below(10) {
                0..=4 => format!("at.{}", self.draw.pick(&places[..if has_col { 8 } else { 6 }])),
                5 => "wide".to_owned(),
                6 | 7 => match self.draw.pick(&ENDS) {
                    i32::MIN => "i32::MIN".to_owned(),
                    end => format!("({end}i32)"),
                },
                8 => self.element(depth.max(1) - 1, has_col, true),
                _ => format!("{}i32", self.draw.between(0, 200)),
            };
        }
        let (a, b) = (self.int(depth - 1, has_col), self.int(depth - 1, has_col));
        match self.draw.below(12) {
            0..=4 => {
                let op = self.draw.pick(&["+", "-", "*", "/", "%", "<<", ">>", "&", "|", "^"]);
                format!("({a} {op} {b})")
            }
            5 => format!("({a} * {})", self.draw.pick(&ENDS[5..])),
            6 => format!("(-({a}))"),
            7 => {
                format!("({a}).{}", self.draw.pick(&["abs()", "pow(3)", "signum()", "wrapping_mul(65_537)"]))
            }
            8 => format!("({a}).{}({b})", self.draw.pick(&["min", "max", "rem_euclid", "wrapping_sub"])),
            9 => format!("(!({a}))"),
            10 => format!("select(({a}) < {b}, {a}, {b} - 7)"),
            _ => format!("((({a}) as f32 * {}) as i32)", self.draw.pick(&["1.5", "-3e9", "0.01"])),
        }
    }

    /// An element of something of floats, or of integers, at any index.
    fn element(&mut self, depth: usize, has_col: bool, of_ints: bool) -> String {
        let fits = |index: &&usize| match READ[**index].1 {
            "PerHead<i32>" | "PerKey<i32>" | "PerQuery<i32>" | "PerSequence<i32>" => of_ints,
            "BitMask" => false,
            _ => !of_ints,
        };
        let of: Vec<usize> = self.reads.iter().filter(fits).copied().collect();
        if of.is_empty() {
            return if of_ints { "wide".to_owned() } else { "0.25".to_owned() };
        }
        let (name, _, count) = READ[self.draw.pick(&of)];
        let indices: Vec<String> = (0..count).map(|_| self.index(depth, has_col)).collect();
        match count {
            1 => format!("{name}[{}]", indices[0]),
            _ => format!("{name}.at({})", indices.join(", ")),
        }
    }

    /// Some index of anything: often the place itself, with something added.
    fn index(&mut self, depth: usize, has_col: bool) -> String {
        let places = ["at.head", "at.query", "at.row", "at.seq", "at.col", "at.col"];
        let place = self.draw.pick(&places[..if has_col { 6 } else { 4 }]);
        match self.draw.below(6) {
            0 => place.to_owned(),
            1 => format!("{place} + {}", self.draw.between(-3, 3)),
            _ => self.int(depth, has_col),
        }
    }

    fn bit(&mut self, has_col: bool) -> String {
        format!("tree.at({}, {})", self.index(2, has_col), self.index(2, has_col))
    }
}

/// The launch of a seed.
fn drawn(seed: u64) -> Drawn {
    let mut draw = Draw::new(seed ^ 0x1d_e5);
    let cache = draw.pick(&[Cache::Contiguous, Cache::Paged]);
    let mut reads: Vec<usize> = (0..READ.len()).collect();
    draw.shuffle(&mut reads);
    reads.truncate(1 + draw.below(4));
    let length = |draw: &mut Draw| draw.pick(&[0, 0, 1, 1, 2, 3, 5, 7, 13, 31, 37, 61, 64, 65, 97, 131]);
    let sequences = draw.pick(&[0, 1, 1, 2, 3, 4]);
    let lens: Vec<(usize, usize)> =
        (0..sequences).map(|_| (length(&mut draw).min(67), length(&mut draw))).collect();
    let (group, kv_heads) = draw.pick(&[(1, 1), (2, 1), (4, 1), (1, 2), (2, 2), (5, 1), (3, 1)]);
    let spoilt = match draw.below(20) {
        0 | 1 => Spoilt::Entry(draw.pick(&[-1, i32::MIN, i32::MAX, 1_000, -7])),
        2 => Spoilt::Table,
        3 | 4 => Spoilt::Vector(draw.percent(50)),
        5 => Spoilt::Starts,
        6 => Spoilt::Bias([0; 4].map(|_| draw.pick(&[0, 1, 2, 3, 70]))),
        7 => Spoilt::Bits,
        8 => Spoilt::Scale(draw.pick(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY])),
        _ => Spoilt::Nothing,
    };
    let problem = Problem {
        dtype: draw.pick(&[DType::F16, DType::Bf16, DType::F16, DType::Bf16, DType::F32]),
        head_dim: draw.pick(&[64, 64, 32, 128]).into(),
        q_heads: group * kv_heads,
        kv_heads,
        lens,
        block_size: draw.pick(&[1, 2, 4, 8, 16, 24, 40]),
        layout: draw.pick(&[PoolLayout::Nhd, PoolLayout::Hnd]),
        seed: draw.bits() % 1000,
        scalars: [("wide".to_owned(), f64::from(draw.pick(&ENDS)))].into(),
        ..Problem::default()
    };
    let mut writer = Writer { draw, reads };
    let mut terms: Vec<String> = (0..1 + writer.draw.below(3))
        .map(|_| match writer.draw.below(3) {
            0 => {
                // Near no score for any integer, and the same on both sides of one.
                let int = writer.element(2, true, true);
                format!("(({int}) % 50) as f32 * 0.02")
            }
            _ => format!("0.5 * {}", writer.element(2, true, false)),
        })
        .collect();
    let mut keeps = Vec::new();
    if writer.draw.percent(40) {
        keeps.push(format!("({}) % 3 != 1", writer.int(3, true)));
    }
    if writer.draw.percent(30) {
        keeps.push(format!("at.col <= {}", writer.element(1, false, true)));
    }
    if writer.reads.iter().any(|read| READ[*read].1 == "BitMask") {
        keeps.push(writer.bit(true));
        terms.push(format!("select({}, 0.25, -0.25)", writer.bit(true)));
    }
    let sink = writer.draw.percent(30).then(|| writer.element(2, false, false));
    Drawn { seed, cache, reads: writer.reads, terms, keeps, sink, problem, spoilt }
}

impl Drawn {
    fn source(&self) -> String {
        let params: Vec<String> =
            self.reads.iter().map(|read| format!("{}: {}", READ[*read].0, READ[*read].1)).collect();
        let params = format!("wide: i32, {},", params.join(", "));
        let mut steps = format!("let s = s.map(|x, at| x * scale{});", self.sum());
        for keep in &self.keeps {
            steps += &format!("\n        let s = s.mask(|at| {keep});");
        }
        let source = kernel(self.cache, &params, &steps);
        match &self.sink {
            None => source,
            Some(sink) => {
                source.replace("    o.store(", &format!("    softmax.sink(|at| {sink});\n    o.store("))
            }
        }
    }

    fn sum(&self) -> String {
        self.terms.iter().map(|term| format!(" + {term}")).collect()
    }

    fn has(&self, ty: &str) -> bool {
        self.reads.iter().any(|read| READ[*read].1.starts_with(ty))
    }
}

/// Arguments of a launch, some of them not those that were made up.
struct Arguments {
    inputs: Inputs,
    others: Vec<(usize, Other)>,
    /// Words of the refusal, of a launch that is to be refused; all of them.
    refused: Option<Vec<String>>,
}

enum Other {
    Tensor(Tensor),
    Ragged(Tensor, Starts),
    Table(DeviceBlockTable),
    Bits(BitMask),
    Scale(f32),
}

impl Arguments {
    fn list(&self) -> Vec<Argument<'_>> {
        let mut arguments = self.inputs.arguments();
        for (index, other) in &self.others {
            arguments[*index] = match other {
                Other::Tensor(tensor) => Argument::Vector(tensor),
                Other::Ragged(tensor, starts) => Argument::Ragged(Ragged { tensor, starts }),
                Other::Table(table) => Argument::Table(table),
                Other::Bits(mask) => Argument::BitMask(mask),
                Other::Scale(scale) => Argument::F32(*scale),
            };
        }
        arguments
    }
}

/// A vector of drawn numbers: floats of moderate size, integers of any.
fn numbers(device: &Device, draw: &mut Draw, element: ScalarType, count: usize) -> Tensor {
    match element {
        ScalarType::I32 => {
            let one = |draw: &mut Draw| match draw.percent(30) {
                true => draw.pick(&ENDS),
                false => draw.between(-5, 150) as i32,
            };
            let all: Vec<i32> = (0..count).map(|_| one(draw)).collect();
            Tensor::from_slice(device, &all, &[count]).unwrap()
        }
        _ => {
            let all: Vec<f32> = (0..count).map(|_| draw.between(-64, 64) as f32 / 32.0).collect();
            Tensor::from_slice(device, &all, &[count]).unwrap()
        }
    }
}

/// The arguments, with what is to be wrong of them; where nothing of that kind is there to be wrong, nothing is.
fn arguments(device: &Device, drawn: &Drawn, program: &Program) -> Arguments {
    let inputs = drawn.problem.inputs(device, program).unwrap();
    let mut draw = Draw::new(drawn.seed ^ 0x0a_46);
    let Problem { lens, q_heads, block_size, .. } = &drawn.problem;
    let mut all = Arguments { inputs, others: Vec::new(), refused: None };
    let made = all.inputs.arguments();
    let mut others = Vec::new();
    let mut refused: Option<Vec<String>> = None;
    let mut is_open = true;
    for (index, param) in program.params.iter().enumerate() {
        let name = format!("`{}`", param.name);
        let mut spoil = |condition: bool, words: Vec<String>| {
            let does = is_open && condition;
            if does {
                is_open = false;
                refused = Some([vec![name.clone()], words].concat());
            }
            does
        };
        match param.kind {
            ParamKind::Vector(Vector { along, element }) => {
                let (spoils, more) = match drawn.spoilt {
                    Spoilt::Vector(more) => (true, more),
                    _ => (false, false),
                };
                let whole = match along {
                    Along::Heads => *q_heads,
                    Along::Sequences => lens.len(),
                    Along::KvHeads => unreachable!("no drawn program reads scales"),
                    Along::Queries => lens.iter().map(|pair| pair.0).sum(),
                    Along::Keys => {
                        let mut own: Vec<i32> = lens.iter().map(|pair| pair.1 as i32).collect();
                        // More numbers than keys are as good.
                        own.iter_mut().for_each(|len| *len += draw.pick(&[0, 0, 1, 9]));
                        let short = lens.iter().position(|pair| pair.1 > 0).filter(|_| spoils);
                        if let Some(sequence) = short
                            && spoil(true, vec![format!("sequence {sequence}"), lens[sequence].1.to_string()])
                        {
                            own[sequence] = lens[sequence].1 as i32 - 1;
                        }
                        let starts = Starts::from_lens(device, &own).unwrap();
                        let mut count = starts.tokens() + draw.pick(&[0, 3]);
                        if spoil(
                            drawn.spoilt == Spoilt::Starts && starts.tokens() > 0,
                            vec![starts.tokens().to_string()],
                        ) {
                            count = starts.tokens() - 1;
                        }
                        others
                            .push((index, Other::Ragged(numbers(device, &mut draw, element, count), starts)));
                        continue;
                    }
                };
                let count = match spoil(spoils && (more || whole > 0), vec![format!("[{whole}]")]) {
                    true if more => whole + 1,
                    true => whole - 1,
                    false => whole,
                };
                others.push((index, Other::Tensor(numbers(device, &mut draw, element, count))));
            }
            ParamKind::Bias(_) => {
                let Spoilt::Bias(shape) = drawn.spoilt else { continue };
                // Right or wrong by what else there is, which the launch is asked.
                let Argument::Vector(own) = made[index] else { unreachable!() };
                let values = vec![0.5f32; shape.iter().product()];
                let tensor = match own.dtype() {
                    DType::F16 => {
                        let values: Vec<f16> = values.into_iter().map(f16::from_f32).collect();
                        Tensor::from_slice(device, &values, &shape)
                    }
                    DType::Bf16 => {
                        let values: Vec<bf16> = values.into_iter().map(bf16::from_f32).collect();
                        Tensor::from_slice(device, &values, &shape)
                    }
                    _ => Tensor::from_slice(device, &values, &shape),
                };
                others.push((index, Other::Tensor(tensor.unwrap())));
            }
            ParamKind::BitMask => {
                // Of each sequence some bytes more than it takes, or a bit less.
                let (mut bytes, mut starts) = (Vec::new(), vec![0]);
                for (sequence, (rows, width)) in lens.iter().enumerate() {
                    let needs = (rows * width).div_ceil(8);
                    let few = spoil(
                        drawn.spoilt == Spoilt::Bits && needs > 0,
                        vec![format!("sequence {sequence}"), width.to_string()],
                    );
                    let count = if few { needs - 1 } else { needs + draw.below(3) };
                    bytes.extend((0..count).map(|_| draw.bits() as u8 | draw.bits() as u8));
                    starts.push(bytes.len() as i32);
                }
                let widths: Vec<i32> = lens.iter().map(|pair| pair.1 as i32).collect();
                others.push((index, Other::Bits(BitMask::new(device, &bytes, &starts, &widths).unwrap())));
            }
            ParamKind::BlockTable => {
                let Argument::Table(own) = made[index] else { unreachable!() };
                let used = |sequence: usize| lens[sequence].1.div_ceil(*block_size);
                let mut rows: Vec<Vec<i32>> =
                    (0..lens.len()).map(|sequence| own.row(sequence).to_vec()).collect();
                let mut width = own.width();
                let longest = (0..lens.len()).map(used).max().unwrap_or(0);
                match drawn.spoilt {
                    Spoilt::Entry(entry) => {
                        let Some(sequence) = (0..lens.len()).find(|sequence| used(*sequence) > 0) else {
                            continue;
                        };
                        let block = draw.below(used(sequence));
                        rows[sequence][block] = entry;
                        refused = Some(vec![format!("block {block} of sequence {sequence} to {entry}")]);
                    }
                    Spoilt::Table if longest > 0 => {
                        width = longest - 1;
                        rows.iter_mut().for_each(|row| row.truncate(width));
                        refused = Some(vec![
                            format!("{longest} blocks of {block_size}"),
                            format!("{width} entries"),
                        ]);
                    }
                    _ => continue,
                }
                let table = DeviceBlockTable::new(device, &rows.concat(), width, own.seq_lens()).unwrap();
                others.push((index, Other::Table(table)));
            }
            ParamKind::Scalar(ScalarType::F32) => {
                if let Spoilt::Scale(scale) = drawn.spoilt
                    && spoil(true, vec![scale.to_string()])
                {
                    others.push((index, Other::Scale(scale)));
                }
            }
            _ => {}
        }
    }
    drop(made);
    all.others = others;
    all.refused = refused;
    all
}

/// What became of a launch.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Became {
    Right,
    Refused,
}

/// Whether a launch is refused or right.
fn check(drawn: &Drawn) -> Result<Became, String> {
    let program = program(&drawn.source());
    let mut became = Became::Right;
    for arch in targets::ARCHS {
        let (policy, warp_order) = match drawn.seed % 3 {
            0 => (AsyncPolicy::Eager, WarpOrder::InOrder),
            1 => (AsyncPolicy::Lazy, WarpOrder::InOrder),
            _ => (AsyncPolicy::Random(drawn.seed), WarpOrder::Random(drawn.seed)),
        };
        let options = targets::options(arch, policy, warp_order);
        let device = targets::device(EmulatorOptions { threads: 1, ..options });
        let made = arguments(&device, drawn, &program);
        let list = made.list();
        let outputs = || {
            list.iter().filter_map(|argument| match argument {
                Argument::Output(tensor) => Some(tensor),
                _ => None,
            })
        };
        let launched = launch(&device, &program, &list, &LaunchOptions::default());
        match (launched, &made.refused) {
            (Err(LaunchError::Device(error)), _) => return Err(format!("{arch}: the device: {error}")),
            (Err(error), words) => {
                let said = error.to_string();
                // A bias may be right or wrong, and then it is the bias that is named.
                let of_bias = vec!["has shape [".to_owned()];
                let words = match (words, drawn.spoilt) {
                    (Some(words), _) => words,
                    (None, Spoilt::Bias(_)) if drawn.has("Bias") => &of_bias,
                    (None, _) => return Err(format!("{arch}: nothing is wrong, and it is refused: {said}")),
                };
                if let Some(missing) = words.iter().find(|word| !said.contains(word.as_str())) {
                    return Err(format!("{arch}: the refusal does not name {missing}: {said}"));
                }
                let untouched =
                    outputs().all(|tensor| tensor.to_f32_vec().unwrap().iter().all(|x| x.is_nan()));
                if !untouched {
                    return Err(format!("{arch}: it is refused, and something was written: {said}"));
                }
                became = Became::Refused;
            }
            (Ok(_), Some(words)) => {
                return Err(format!("{arch}: it runs, and is to be refused for {words:?}"));
            }
            (Ok(_), None) => {
                let verdicts = equivalence::check_arguments(&program, &list, drawn.problem.dtype)
                    .map_err(|error| format!("{arch}: {error}"))?;
                if let Some((name, verdict)) = verdicts.iter().find(|(_, verdict)| !verdict.passed) {
                    return Err(format!("{arch}: {name}: {verdict}"));
                }
                if drawn.seed.is_multiple_of(4) {
                    let how = (
                        planning::capacity(&drawn.problem),
                        planning::forced(1 + drawn.seed as usize / 4 % 3),
                    );
                    planning::judge_arguments(&device, &program, &list, how, &[])
                        .map_err(|error| format!("planned for {arch}: {error}"))?;
                }
            }
        }
    }
    Ok(became)
}

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}: write a number")))
}

/// The same failure without the terms and conditions that it does not take.
fn smaller(mut failing: Drawn) -> Drawn {
    if check(&Drawn { sink: None, ..copy(&failing) }).is_err() {
        failing.sink = None;
    }
    let lists: [fn(&mut Drawn) -> &mut Vec<String>; 2] = [|drawn| &mut drawn.keeps, |drawn| &mut drawn.terms];
    for of in lists {
        let mut index = 0;
        while index < of(&mut failing).len() {
            let mut without = copy(&failing);
            of(&mut without).remove(index);
            match check(&without) {
                Err(_) => failing = without,
                Ok(_) => index += 1,
            }
        }
    }
    failing
}

fn copy(drawn: &Drawn) -> Drawn {
    let Drawn { seed, cache, spoilt, .. } = *drawn;
    let Drawn { reads, terms, keeps, sink, problem, .. } = drawn;
    Drawn {
        seed,
        cache,
        spoilt,
        reads: reads.clone(),
        terms: terms.clone(),
        keeps: keeps.clone(),
        sink: sink.clone(),
        problem: problem.clone(),
    }
}

#[test]
fn any_index_any_length_any_table() {
    let (asked, count) = (number("FLASHPAGE_INDEX_SEED"), number("FLASHPAGE_INDICES"));
    let count = count.unwrap_or(if asked.is_some() { 1 } else { COUNT });
    let is_fixed = std::env::var_os("CI").is_some() || std::env::var_os("FLASHPAGE_INDICES").is_some();
    let now = || std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs() % 1_000_000 * 1000);
    let first = asked.unwrap_or_else(|| if is_fixed { 0 } else { now() });
    eprintln!("launches of the seeds {first} to {}", first + count.max(1) - 1);
    let (next, refused, failures) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed) as u64;
                    if index >= count || failures.lock().unwrap().len() >= 3 {
                        return;
                    }
                    let seed = first + index;
                    let tried = drawn(seed);
                    match check(&tried) {
                        Ok(Became::Refused) => drop(refused.fetch_add(1, Ordering::Relaxed)),
                        Ok(Became::Right) => {}
                        Err(_) => {
                            let failing = smaller(tried);
                            let said = check(&failing).err().unwrap_or_else(|| "fails by turns".to_owned());
                            failures.lock().unwrap().push(format!(
                                "{said}\nof {}, {:?}, where drawn.rs is\n{}\nseed {seed}, again: \
                                 FLASHPAGE_INDEX_SEED={seed} cargo test -p flashpage-tests fuzz_indices::",
                                failing.problem,
                                failing.spoilt,
                                failing.source()
                            ));
                        }
                    }
                }
            });
        }
    });
    let (refused, failures) = (refused.into_inner() as u64, failures.into_inner().unwrap());
    eprintln!("{count} launches, of which {refused} are refused");
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    // Both kinds are there, or the test says nothing of one.
    assert!(
        count < COUNT || (refused > count / 20 && refused < count / 2),
        "{refused} of {count} are refused"
    );
}
