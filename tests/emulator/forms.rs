//! Every form of every synchronous instruction of the PTX ISA (§9.7.1–§9.7.13): it loads, it runs on arbitrary
//! bits without a panic, and the real assembler takes it too, where `PTXAS` names one.
//!
//! A row is a target and a form; `<a|b|>` stands for any of its alternatives, and `%r`, `%h`, `%b`, `%d`, `%q`, `%p` for a
//! register of 32, 16, 8, 64, 128 bits or a predicate of its own. `%g` holds a global address, `%s` a shared one and
//! `%i` a small number.

use flashpage_emulator::{Launch, Memory, Module, Options};
use std::process::Command;

mod table;

use table::{FORMS, REFUSED};

/// Every choice of alternatives.
fn expand(form: &str) -> Vec<String> {
    let Some(open) = form.find('<') else { return vec![form.to_string()] };
    let close = open + form[open..].find('>').unwrap_or_else(|| panic!("{form}"));
    let mut all = Vec::new();
    for choice in form[open + 1..close].split('|') {
        all.extend(expand(&format!("{}{choice}{}", &form[..open], &form[close + 1..])));
    }
    all
}

/// Numbers the registers of a form.
fn numbered(form: &str) -> String {
    let mut out = String::new();
    let mut next = 0;
    let mut rest = form.chars().peekable();
    while let Some(c) = rest.next() {
        out.push(c);
        if c == '%' {
            let kind = rest.next().unwrap_or(' ');
            out.push(kind);
            let is_name = rest.peek().is_some_and(|c| c.is_ascii_alphanumeric() || *c == '_');
            if "brhdqp".contains(kind) && !is_name {
                out += &next.to_string();
                next += 1;
            }
        }
    }
    out
}

fn module(target: &str, forms: &[String]) -> String {
    let version = match target {
        "sm_80" | "sm_90" | "sm_90a" => "8.8",
        _ => "9.0",
    };
    let mut text = format!(
        ".version {version}\n.target {target}\n.address_size 64\n.shared .align 64 .b8 S[4096];\n.const .align 16 .b8 K[64] = {{1, 2}};\n\
         .visible .entry k(.param .u64 in, .param .align 16 .b8 bytes[64]) {{\n\
         .reg .b8 %b<24>; .reg .b16 %h<40>; .reg .b32 %r<40>, %s, %i; .reg .b64 %d<24>, %g, %t; .reg .pred %p<24>; .local .align 16 .b8 L[64];\n"
    );
    text += if forms.iter().any(|f| f.contains("%q")) { ".reg .b128 %q<24>;\n" } else { "" };
    text += "ld.param.u64 %g, [in]; mov.u32 %s, S; mov.u32 %i, 3; mov.u64 %t, L;\n";
    for (i, form) in forms.iter().enumerate() {
        text += &format!("{{ {form}; }} // form {i}\n");
    }
    text + "ret;\n}\n"
}

fn all() -> impl Iterator<Item = (&'static str, &'static str, Vec<String>)> {
    FORMS.iter().flat_map(|(target, forms)| {
        forms.iter().map(move |form| (*target, *form, expand(form).iter().map(|f| numbered(f)).collect()))
    })
}

#[test]
fn every_form_loads_and_runs() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for (target, row, forms) in all() {
        count += forms.len();
        let bad: Vec<_> = forms
            .iter()
            .filter_map(|f| Module::load(&module(target, std::slice::from_ref(f))).err().map(|e| (f, e)))
            .collect();
        if let Some((form, error)) = bad.first() {
            wrong.push(format!("{row}: {} of {} fail, {form}: {error}", bad.len(), forms.len()));
            continue;
        }
        let text = module(target, &forms);
        let loaded = Module::load(&text).unwrap_or_else(|e| panic!("{row}: {e}"));
        let mut memory = Memory::new();
        let buffer = memory.alloc(4096, 64).unwrap();
        memory.write(buffer, &[0x3c; 4096]).unwrap();
        let launch = Launch { params: vec![buffer.to_le_bytes().to_vec(), vec![7; 64]], ..Launch::default() };
        let options = Options { threads: 1, instruction_budget: 1 << 20, ..Options::default() };
        if let Err(fault) = loaded.launch(&mut memory, "k", &launch, &options) {
            let ends = ["trap", "exit", "brkpt"].iter().any(|w| row.starts_with(w));
            if !ends {
                wrong.push(format!("{row}: {fault}"));
            }
        }
    }
    println!("{count} forms");
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_does_not_run_is_refused_with_its_line() {
    let mut wrong = Vec::new();
    for (target, forms) in REFUSED {
        for form in forms.iter().flat_map(|f| expand(f)) {
            match Module::load(&module(target, &[numbered(&form)])) {
                Err(error) if error.to_string().contains("line 9:") => {}
                Err(error) => wrong.push(format!("{form}: {error}")),
                Ok(_) => wrong.push(format!("{form} is loaded")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the assembler takes, the verifier takes.
#[test]
fn the_verifier_takes_every_form() {
    let mut wrong = Vec::new();
    for (target, row, forms) in all() {
        let module = flashpage_ptx::parse(&module(target, &forms)).unwrap_or_else(|e| panic!("{row}: {e}"));
        let problems = flashpage_ptx::verify(&module);
        let unwritten = "nothing before it writes it";
        if let Some(problem) = problems.iter().find(|p| !p.message.contains(unwritten)) {
            wrong.push(format!("{row}: {problem}"));
        }
    }
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

/// The assembler takes every form: a row that it refuses is a wrong row.
#[test]
fn the_assembler_takes_every_form() {
    let Ok(ptxas) = std::env::var("PTXAS") else {
        println!("skipped: PTXAS does not name an assembler");
        return;
    };
    let mut wrong = Vec::new();
    for (target, forms) in FORMS {
        let rows: Vec<String> = forms.iter().flat_map(|f| expand(f)).map(|f| numbered(&f)).collect();
        let dir = std::env::temp_dir().join(format!("flashpage-forms-{target}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("forms.ptx");
        std::fs::write(&path, module(target, &rows)).unwrap();
        let output = Command::new(&ptxas)
            .args(["--gpu-name", target, "-O0", "-o"])
            .arg(dir.join("forms.cubin"))
            .arg(&path)
            .output()
            .unwrap();
        let text = module(target, &rows);
        let lines: Vec<&str> = text.lines().collect();
        let mut last = "";
        for message in String::from_utf8_lossy(&output.stderr).lines().filter(|l| l.contains("error")) {
            let line = message.split("line ").nth(1).and_then(|l| l.split([';', ',']).next());
            let form = line.and_then(|l| l.trim().parse::<usize>().ok()).and_then(|l| lines.get(l - 1));
            let form = form.unwrap_or(&"");
            if *form != last {
                wrong.push(format!("{target}: {form} <- {}", message.rsplit("; ").next().unwrap_or(message)));
            }
            last = form;
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
    assert!(wrong.is_empty(), "{} forms:\n{}", wrong.len(), wrong.join("\n"));
}
