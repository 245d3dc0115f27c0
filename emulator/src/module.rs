//! A loaded module: its kernels, decoded, and its variables.

use crate::decode::{self, Fail, FunctionAddresses, Located, variable_align, variable_bytes};
use crate::fault::{Fault, LoadError};
use crate::launch::{self, Launch, Options, Report};
use crate::memory::Memory;
use crate::program::{Inst, Parameter, Program};
use flashpage_ptx::ast::{Init, Item, Name, Operand, Variable};
use flashpage_ptx::words::{Space, Type};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A module that is ready to run.
#[derive(Debug)]
pub struct Module {
    /// Tells this module's variables from another's in one memory.
    id: u64,
    text: String,
    programs: Vec<Program>,
    globals: Vec<Global>,
}

/// A variable of the module in global or constant memory.
#[derive(Debug)]
struct Global {
    bytes: Vec<u8>,
    align: u32,
    /// Written before the first launch: constants and what has an initial value; other variables are zero.
    addresses: Vec<Relocation>,
}

/// An address inside a variable's initial value.
#[derive(Debug)]
struct Relocation {
    at: usize,
    bytes: usize,
    of: usize,
    offset: i64,
    /// Only this byte of the address.
    byte: Option<u32>,
}

/// What a launch of an entry needs to know.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry<'m> {
    /// Its name.
    pub name: &'m str,
    /// Its parameters, in order.
    pub parameters: &'m [Parameter],
    /// `.reqntid`: the only block it may be launched with.
    pub required_block: Option<[u32; 3]>,
    /// `.maxntid`: the most threads of a block.
    pub max_threads: Option<u32>,
    /// `.reqnctapercluster`
    pub required_cluster: Option<[u32; 3]>,
    /// Shared memory that the module declares for it, in bytes.
    pub static_shared_bytes: u32,
}

impl Module {
    /// Parses and decodes PTX text.
    ///
    /// # Errors
    /// The first thing in it that is not PTX, or that an entry needs and the emulator does not run.
    pub fn load(text: &str) -> Result<Module, LoadError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let module = flashpage_ptx::parse(text)?;
        let variables: Vec<&Variable> = module
            .items
            .iter()
            .filter_map(|item| match item {
                Item::Variable(v) if matches!(v.space, Space::Global | Space::Const) => Some(v),
                _ => None,
            })
            .collect();
        let names: HashMap<Name, usize> =
            variables.iter().enumerate().map(|(i, v)| (v.name.clone(), i)).collect();
        let functions = FunctionAddresses::of(&module);
        let locate = |Located { line, nth, fail }| {
            let instruction = statement_at(text, line, nth);
            match fail {
                Fail::Unsupported => LoadError::Unsupported { line, instruction },
                Fail::Invalid(message) => LoadError::Invalid { line, message, text: instruction },
            }
        };
        let globals = variables
            .iter()
            .map(|v| {
                global(v, &names, &functions).map_err(|fail| locate(Located { line: v.line, nth: 0, fail }))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let bytes: u64 = globals.iter().map(|global| global.bytes.len() as u64).sum();
        if let Some(last) = variables.last()
            && bytes > LARGEST
        {
            let message = format!("{bytes} bytes of variables; at most {LARGEST} are possible");
            return Err(locate(Located { line: last.line, nth: 0, fail: Fail::Invalid(message) }));
        }
        let mut programs = Vec::new();
        for item in &module.items {
            if let Item::Function(f) = item
                && f.is_entry
                && f.body.is_some()
            {
                programs.push(decode::decode(&module, &names, &functions, f).map_err(locate)?);
            }
        }
        Ok(Module { id: NEXT.fetch_add(1, Relaxed), text: text.to_string(), programs, globals })
    }

    /// The kernels of the module, in the order of the text.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.programs.iter().map(|p| Entry {
            name: &p.name,
            parameters: &p.parameters,
            required_block: p.required_block,
            max_threads: p.max_threads,
            required_cluster: p.required_cluster,
            static_shared_bytes: p.shared_bytes,
        })
    }

    /// Runs a kernel to its end.
    ///
    /// The module's variables come into being in `memory` at its first launch there and keep their values from
    /// one launch to the next.
    ///
    /// # Errors
    /// A launch that does not fit the kernel, or the first thing that goes wrong while it runs. Memory then holds
    /// what had been written by that time.
    pub fn launch(
        &self,
        memory: &mut Memory,
        entry: &str,
        launch: &Launch,
        options: &Options,
    ) -> Result<Report, Fault> {
        let Some(program) = self.programs.iter().find(|p| p.name == entry) else {
            let names: Vec<&str> = self.programs.iter().map(|p| p.name.as_str()).collect();
            return Err(Fault::launch(format!(
                "there is no kernel `{entry}`; there is {}",
                names.join(", ")
            )));
        };
        let globals = match memory.variables(self.id) {
            Some(addresses) => addresses.clone(),
            None => self.place(memory)?,
        };
        let text_of = |inst: &Inst| statement_at(&self.text, inst.line, inst.nth);
        let name = |fault: &mut Fault| {
            for site in fault.site.iter_mut().chain(&mut fault.other) {
                site.instruction = statement_at(&self.text, site.line, site.nth);
            }
        };
        let mut outcome = launch::launch(program, memory, &globals, launch, options, text_of);
        match &mut outcome {
            Ok(report) => report.findings.iter_mut().for_each(|finding| name(&mut finding.fault)),
            Err(fault) => {
                name(fault);
                fault.findings.iter_mut().for_each(|finding| name(&mut finding.fault));
            }
        }
        outcome
    }

    /// Puts the module's variables into memory.
    fn place(&self, memory: &mut Memory) -> Result<Vec<u64>, Fault> {
        let refuse = |e: crate::memory::MemoryError| Fault::launch(e.to_string());
        let mut addresses = Vec::new();
        for global in &self.globals {
            addresses.push(memory.alloc(global.bytes.len(), global.align as usize).map_err(refuse)?);
        }
        for (global, address) in self.globals.iter().zip(&addresses) {
            let mut bytes = global.bytes.clone();
            for relocation in &global.addresses {
                let value = addresses[relocation.of].wrapping_add_signed(relocation.offset);
                let value = match relocation.byte {
                    Some(byte) => value >> (8 * byte),
                    None => value,
                };
                let value = value.to_le_bytes();
                bytes[relocation.at..relocation.at + relocation.bytes]
                    .copy_from_slice(&value[..relocation.bytes]);
            }
            memory.write(*address, &bytes).map_err(refuse)?;
        }
        memory.place_variables(self.id, addresses.clone());
        Ok(addresses)
    }
}

/// Instruction `nth` of those that begin in a line, written on one line; declarations and labels do not count.
fn statement_at(text: &str, line: u32, nth: u32) -> String {
    let mut rest = String::new();
    // An instruction may go on for some lines.
    for row in text.lines().skip((line as usize).saturating_sub(1)).take(8) {
        rest.push_str(row.split("//").next().unwrap_or_default());
        rest.push(' ');
    }
    let mut statements = rest.split(';').map(|s| {
        let mut s = s.trim();
        loop {
            // A block's brace, a function's head, labels.
            let inner = if s.starts_with(['{', '}']) {
                &s[1..]
            } else if s.starts_with('.') && s.contains('{') && s.contains('(') {
                s.split_once('{').map_or(s, |(_, inner)| inner)
            } else {
                match s.split_once(':') {
                    Some((label, inner))
                        if label.chars().all(|c| c.is_alphanumeric() || "_$%".contains(c))
                            && !inner.starts_with(':') =>
                    {
                        inner
                    }
                    _ => return s,
                }
            };
            s = inner.trim_start();
        }
    });
    let all = statements.clone().next().unwrap_or_default().to_string();
    let found = statements.by_ref().filter(|s| !s.is_empty() && !s.starts_with('.')).nth(nth as usize);
    found.map_or(all, str::to_string).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Bytes of all variables that a module may declare.
const LARGEST: u64 = 1 << 28;

fn global(
    variable: &Variable,
    names: &HashMap<Name, usize>,
    functions: &FunctionAddresses,
) -> Result<Global, Fail> {
    let mut declared = variable_bytes(variable);
    if declared.is_none()
        && let Some(Init::List(list)) = &variable.init
    {
        // `x[] = {…}` is as long as its list.
        declared = Some(list.len() as u64 * variable.ty.bytes() as u64 * variable.vector.unwrap_or(1) as u64);
    }
    let bytes = match declared {
        Some(bytes) if bytes <= LARGEST => bytes as usize,
        Some(_) => return Err(Fail::Invalid(format!("`{}` is too large", variable.name))),
        None => 0,
    };
    let mut global = Global { bytes: vec![0; bytes], align: variable_align(variable), addresses: Vec::new() };
    if let Some(init) = &variable.init {
        let mut dims: Vec<u64> = variable.dims.iter().map(|d| d.unwrap_or(0)).collect();
        dims.extend(variable.vector.map(u64::from));
        initialise(&mut global, variable.ty, init, &dims, 0, (names, functions))?;
    }
    Ok(global)
}

fn not_initial() -> Fail {
    Fail::Invalid("this cannot be an initial value".to_string())
}

/// Writes an initial value at byte `at`; `dims` are the array dimensions that it may still be nested in.
fn initialise(
    global: &mut Global,
    ty: Type,
    init: &Init,
    dims: &[u64],
    at: usize,
    (names, functions): (&HashMap<Name, usize>, &FunctionAddresses),
) -> Result<(), Fail> {
    let width = ty.bytes() as usize;
    let (operand, byte) = match init {
        Init::List(list) => {
            let inner = dims.get(1..).unwrap_or_default();
            // An inner list begins where its row does; plain numbers follow one another.
            let row = inner.iter().fold(width, |bytes, d| bytes.saturating_mul(*d as usize));
            for (i, element) in list.iter().enumerate() {
                let stride = if matches!(element, Init::List(_)) { row } else { width };
                let at = at.saturating_add(i.saturating_mul(stride));
                initialise(global, ty, element, inner, at, (names, functions))?;
            }
            return Ok(());
        }
        Init::Value(operand) => (operand, None),
        Init::MaskedAddress { mask, of } => (of, Some(mask.trailing_zeros() / 8)),
    };
    let Some(slot) = global.bytes.get_mut(at..at.saturating_add(width)) else {
        return Err(Fail::Invalid("more initial values than elements".to_string()));
    };
    let value = match operand {
        // A float in a word of bits is single there, and double in one of 64; halves have no literals (§5.4.2), and
        // a whole number is no float.
        Operand::Int(_) if ty.is_float() => return Err(not_initial()),
        Operand::Int(value) => *value as u64,
        Operand::F32(_) | Operand::F64(_) if !matches!(width, 4 | 8) || ty == Type::F16x2 => {
            return Err(not_initial());
        }
        Operand::F32(bits) if ty == Type::F64 => (f32::from_bits(*bits) as f64).to_bits(),
        Operand::F32(bits) => *bits as u64,
        Operand::F64(bits) if width == 4 => (f64::from_bits(*bits) as f32).to_bits() as u64,
        Operand::F64(bits) => *bits,
        Operand::Symbol { name, .. } if functions.get(name).is_some() => {
            let address = functions.get(name).unwrap_or_default();
            byte.map_or(address, |byte| address >> (8 * byte))
        }
        Operand::Symbol { name, offset, .. } => {
            let Some(of) = names.get(name).copied() else {
                return Err(Fail::Invalid(format!("the address of `{name}` is not known here")));
            };
            let bytes = width.min(8);
            global.addresses.push(Relocation { at, bytes, of, offset: *offset, byte });
            return Ok(());
        }
        _ => return Err(not_initial()),
    };
    let bytes = width.min(8);
    slot[..bytes].copy_from_slice(&value.to_le_bytes()[..bytes]);
    Ok(())
}
