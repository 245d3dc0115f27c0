//! Is a program well-typed?
//!
//! The front end makes only well-typed programs; this is the check for those built by hand or by a rewrite,
//! written without the front end's code so that each keeps the other honest.

use super::{
    Access, Arguments, Axis, BinaryOp, Dim, Element, ElementOf, Expr, Generic, MOST_DIMS, MOST_ELEMENTS,
    Method, ParamId, ParamKind, Program, ScalarType, StateId, StateKind, Stmt, TileOp, TileType, UnaryOp,
    Value, ValueId,
};

/// Why a program is not well-formed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// An id past the end of its list.
    #[error("there is no {what} {index}")]
    BadId {
        /// parameter, value or state
        what: &'static str,
        /// the id
        index: usize,
    },
    /// A value is used where it does not exist (yet, or any more).
    #[error("`{value}` is used where it is not defined")]
    Undefined {
        /// its name
        value: String,
    },
    /// A value has two definitions.
    #[error("`{value}` is defined twice")]
    DefinedTwice {
        /// its name
        value: String,
    },
    /// A parameter or state is used as what it is not.
    #[error("`{name}` is used as {used_as}, which it is not")]
    WrongKind {
        /// its name
        name: String,
        /// what the program takes it for
        used_as: &'static str,
    },
    /// A tile has axes that its operation cannot take or give.
    #[error("`{value}`: {problem}")]
    Tile {
        /// the value, or the statement's target
        value: String,
        /// what is wrong
        problem: String,
    },
    /// A scalar expression is ill-typed.
    #[error("in `{expr}`: {problem}")]
    Scalar {
        /// the expression
        expr: String,
        /// what is wrong
        problem: String,
    },
    /// A statement stands in the wrong part of the program.
    #[error("`{value}` may only be made {place}")]
    Misplaced {
        /// the value or output
        value: String,
        /// where it belongs
        place: &'static str,
    },
    /// What it is depends on how the axis that instances own is cut into tiles.
    #[error(
        "`{value}` {how} {axis}, of which an instance has a tile only: what it holds depends on how they are cut"
    )]
    Cut {
        /// the value
        value: String,
        /// "sums over" or "multiplies"
        how: &'static str,
        /// "rows" or "columns"
        axis: &'static str,
    },
    /// An output is not stored exactly once.
    #[error("`{name}` is stored {times} times, not once")]
    StoreCount {
        /// the output
        name: String,
        /// how often
        times: usize,
    },
    /// The program as a whole lacks something.
    #[error("{0}")]
    Shape(&'static str),
}

/// The three parts of a program.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Prologue,
    Loop,
    Epilogue,
}

const SCORES: TileType = TileType { rows: Axis::Rows, cols: Axis::Cols };

impl Program {
    /// Checks ids, definitions before uses, axes, scalar types and where statements stand.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn validate(&self) -> Result<(), ProgramError> {
        if !self.params.iter().any(|param| param.kind == ParamKind::Query) {
            return Err(ProgramError::Shape("a program has a query"));
        }
        self.check_elements()?;
        self.check_dims()?;
        self.expect(self.main_loop.over, Method::Tiles)?;
        self.check_states()?;
        let names = self.value_names();
        let mut check =
            Check { program: self, names, live: Vec::new(), defined: vec![false; self.values.len()] };
        check.part(Part::Prologue, &self.prologue)?;
        let before_loop = check.live.len();
        check.part(Part::Loop, &self.main_loop.body)?;
        check.live.truncate(before_loop);
        check.part(Part::Epilogue, &self.epilogue)?;
        self.check_accumulators()?;
        self.check_stores()
    }

    /// There are one to three, of which no two are the same, and each is that of some tensor; queries have one, keys and values, and
    /// all that is written.
    fn check_elements(&self) -> Result<(), ProgramError> {
        if !(1..=MOST_ELEMENTS).contains(&self.elements.len()) {
            return Err(ProgramError::Shape("a program has one to three element types"));
        }
        if (1..self.elements.len()).any(|index| self.elements[..index].contains(&self.elements[index])) {
            return Err(ProgramError::Shape("the element types of a program differ"));
        }
        let mut elements = ElementOf::ALL.map(|whose| (whose, None));
        for param in &self.params {
            let ty = param.kind.ty();
            if param.element.is_some() != (ty.arguments == Arguments::ElementAndDim) {
                return Err(ProgramError::Shape("tensors have an element type, and nothing else has one"));
            }
            let Some(element) = param.element else { continue };
            if element.0 >= self.elements.len() {
                return Err(ProgramError::BadId { what: "element type", index: element.0 });
            }
            let of_all = elements.iter_mut().filter(|(whose, _)| *whose == param.kind.element_of());
            if of_all.map(|(_, of_all)| *of_all.get_or_insert(element)).any(|first| first != element) {
                return Err(ProgramError::Shape(
                    "queries have one element type, keys and values have one, and all outputs have one",
                ));
            }
        }
        let is_tensors = |index| elements.iter().any(|(_, of_all)| *of_all == Some(Element(index)));
        if !(0..self.elements.len()).all(is_tensors) {
            return Err(ProgramError::Shape("an element type is that of some tensor"));
        }
        Ok(())
    }

    /// What a state begins as is of its kind, and of its type.
    fn check_states(&self) -> Result<(), ProgramError> {
        for state in &self.states {
            let Some(from) = state.from else { continue };
            let param = self.params.get(from.param.0);
            let param = param.ok_or(ProgramError::BadId { what: "parameter", index: from.param.0 })?;
            let fits = match (state.kind, param.kind) {
                (StateKind::OnlineSoftmax, ParamKind::RowInput) => true,
                (StateKind::Accumulator(ty), ParamKind::Input) => {
                    ty == self.tile_of(from.param, Axis::Rows)? && self.owned() == Axis::Rows
                }
                _ => false,
            };
            if !fits {
                return Err(ProgramError::WrongKind {
                    name: param.name.clone(),
                    used_as: "what a state begins as",
                });
            }
        }
        Ok(())
    }

    /// There are one or two, of which no two are the same, and every open one is the shape of some tensor.
    fn check_dims(&self) -> Result<(), ProgramError> {
        if !(1..=MOST_DIMS).contains(&self.dims.len()) {
            return Err(ProgramError::Shape("a program has one head dimension, or two"));
        }
        if (1..self.dims.len()).any(|index| self.dims[..index].contains(&self.dims[index])) {
            return Err(ProgramError::Shape("the head dimensions of a program differ"));
        }
        for param in &self.params {
            if param.dim.is_some() != (param.kind.ty().arguments == Arguments::ElementAndDim) {
                return Err(ProgramError::Shape("tensors have a head dimension, and nothing else has one"));
            }
            param.dim.map_or(Ok(()), |dim| self.check_dim(dim))?;
        }
        for value in &self.values {
            self.check_axes(value.ty)?;
        }
        for state in &self.states {
            if let StateKind::Accumulator(ty) = state.kind {
                self.check_axes(ty)?;
            }
        }
        let is_tensors = |dim| self.params.iter().any(|param| param.dim == Some(dim));
        for (index, dim) in self.dims.iter().enumerate() {
            if matches!(dim, Generic::Open(_)) && !is_tensors(Dim(index)) {
                return Err(ProgramError::Shape("a head dimension that is left open is that of some tensor"));
            }
        }
        Ok(())
    }

    /// An accumulator has the same axes in every iteration.
    fn check_accumulators(&self) -> Result<(), ProgramError> {
        let looped = self.looped();
        for state in &self.states {
            if let StateKind::Accumulator(ty) = state.kind
                && ty.has(looped)
            {
                let problem = format!("an accumulator of {}, which are others each time", self.tile_text(ty));
                return Err(ProgramError::Tile { value: state.name.clone(), problem });
            }
        }
        Ok(())
    }

    fn check_dim(&self, dim: Dim) -> Result<(), ProgramError> {
        match self.dims.get(dim.0) {
            Some(_) => Ok(()),
            None => Err(ProgramError::BadId { what: "head dimension", index: dim.0 }),
        }
    }

    fn check_axes(&self, ty: TileType) -> Result<(), ProgramError> {
        for axis in [ty.rows, ty.cols] {
            if let Axis::Dim(dim) = axis {
                self.check_dim(dim)?;
            }
        }
        Ok(())
    }

    fn check_stores(&self) -> Result<(), ProgramError> {
        let mut outputs = 0;
        for (index, param) in self.params.iter().enumerate() {
            if param.kind.ty().access != Access::Write {
                continue;
            }
            outputs += 1;
            let stores = |stmt: &&Stmt| matches!(stmt, Stmt::Store { param, .. } if param.0 == index);
            let times = self.epilogue.iter().filter(stores).count();
            if times != 1 {
                return Err(ProgramError::StoreCount { name: param.name.clone(), times });
            }
        }
        if outputs == 0 {
            return Err(ProgramError::Shape("a program has at least one output"));
        }
        Ok(())
    }

    /// The type of a scalar expression.
    ///
    /// # Errors
    /// If its operands do not fit its operators, or an id is out of range.
    pub fn scalar_type(&self, expr: &Expr) -> Result<ScalarType, ProgramError> {
        use ScalarType::{Bool, F32, I32};
        let wrong = |problem: String| Err(ProgramError::Scalar { expr: self.expr_text(expr), problem });
        match expr {
            Expr::X | Expr::Y | Expr::Float(_) => Ok(F32),
            Expr::Row | Expr::Col | Expr::Query | Expr::Head | Expr::Int(_) => Ok(I32),
            Expr::KvHead | Expr::Seq | Expr::QLen | Expr::KvLen => Ok(I32),
            Expr::Bool(_) => Ok(Bool),
            Expr::Param(id) => match self.param_kind(*id)? {
                ParamKind::Scalar(ty) => Ok(ty),
                _ => Err(self.wrong_kind(*id, "a scalar")),
            },
            Expr::Index(id, index) => match (self.param_kind(*id)?, self.scalar_type(index)?) {
                (ParamKind::Vector(vector), I32) => Ok(vector.element),
                (ParamKind::Vector(_), other) => wrong(format!("an index is i32, this is {other}")),
                _ => Err(self.wrong_kind(*id, "a vector")),
            },
            Expr::At(id, indices) => {
                let kind = self.param_kind(*id)?;
                let Some(takes) = kind.indices() else {
                    return Err(self.wrong_kind(*id, Method::At.used_as()));
                };
                if indices.len() != takes {
                    return wrong(format!("it takes {takes} indices, not {}", indices.len()));
                }
                for index in indices {
                    let ty = self.scalar_type(index)?;
                    if ty != I32 {
                        return wrong(format!("an index is i32, this is {ty}"));
                    }
                }
                Ok(if kind == ParamKind::BitMask { Bool } else { F32 })
            }
            Expr::Random(names) => {
                for name in names.iter() {
                    let ty = self.scalar_type(name)?;
                    if ty != I32 {
                        return wrong(format!("a random number is named by i32, this is {ty}"));
                    }
                }
                Ok(F32)
            }
            Expr::Unary(op, of) => match (op, self.scalar_type(of)?) {
                (UnaryOp::Neg | UnaryOp::Abs, ty @ (F32 | I32)) => Ok(ty),
                (UnaryOp::Not, Bool) => Ok(Bool),
                (UnaryOp::Exp | UnaryOp::Exp2 | UnaryOp::Tanh | UnaryOp::Ln | UnaryOp::Log2, F32) => Ok(F32),
                (UnaryOp::Sqrt | UnaryOp::Sin | UnaryOp::Cos, F32) => Ok(F32),
                (UnaryOp::Floor | UnaryOp::Ceil | UnaryOp::Trunc | UnaryOp::Round, F32) => Ok(F32),
                (UnaryOp::BitNot, I32) => Ok(I32),
                (UnaryOp::ToF32, I32 | Bool) => Ok(F32),
                (UnaryOp::ToI32, F32 | Bool) => Ok(I32),
                (op, ty) => wrong(format!("{op:?} does not take {ty}")),
            },
            Expr::Binary(op, a, b) => {
                let (a, b) = (self.scalar_type(a)?, self.scalar_type(b)?);
                if a != b {
                    return wrong(format!("the operands are {a} and {b}"));
                }
                match (op, a) {
                    (
                        BinaryOp::Add
                        | BinaryOp::Sub
                        | BinaryOp::Mul
                        | BinaryOp::Div
                        | BinaryOp::Min
                        | BinaryOp::Max,
                        F32 | I32,
                    )
                    | (BinaryOp::Rem | BinaryOp::RemEuclid | BinaryOp::DivEuclid, I32)
                    | (BinaryOp::Shl | BinaryOp::Shr, I32)
                    | (BinaryOp::BitAnd | BinaryOp::BitOr | BinaryOp::BitXor, I32)
                    | (BinaryOp::AtMost | BinaryOp::AtLeast | BinaryOp::Pow, F32)
                    | (BinaryOp::And | BinaryOp::Or, Bool) => Ok(a),
                    (BinaryOp::Eq | BinaryOp::Ne, _)
                    | (BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge, F32 | I32) => Ok(Bool),
                    (op, ty) => wrong(format!("{op:?} does not take {ty}")),
                }
            }
            Expr::Select(c, a, b) => {
                match (self.scalar_type(c)?, self.scalar_type(a)?, self.scalar_type(b)?) {
                    (Bool, a, b) if a == b => Ok(a),
                    (Bool, a, b) => wrong(format!("the choices are {a} and {b}")),
                    (other, ..) => wrong(format!("the condition is {other}, not bool")),
                }
            }
        }
    }

    fn param_kind(&self, id: ParamId) -> Result<ParamKind, ProgramError> {
        let param = self.params.get(id.0).ok_or(ProgramError::BadId { what: "parameter", index: id.0 })?;
        Ok(param.kind)
    }

    fn wrong_kind(&self, id: ParamId, used_as: &'static str) -> ProgramError {
        let name = self.params.get(id.0).map_or_else(String::new, |param| param.name.clone());
        ProgramError::WrongKind { name, used_as }
    }

    /// The language has this method of the parameter.
    fn expect(&self, id: ParamId, method: Method) -> Result<(), ProgramError> {
        if self.param_kind(id)?.ty().has(method) {
            return Ok(());
        }
        Err(self.wrong_kind(id, method.used_as()))
    }

    /// A tile of a parameter that lies along `axis`.
    fn tile_of(&self, id: ParamId, axis: Axis) -> Result<TileType, ProgramError> {
        let ty = self.param_kind(id)?.ty();
        if ty.along != Some(axis) {
            let used_as = match axis {
                Axis::Rows => "a tensor of rows",
                _ => "a tensor of columns",
            };
            return Err(self.wrong_kind(id, used_as));
        }
        match (ty.arguments, self.params[id.0].dim) {
            (Arguments::None, None) => Ok(TileType::of_each(axis)),
            (_, Some(dim)) => Ok(TileType { rows: axis, cols: Axis::Dim(dim) }),
            _ => Err(self.wrong_kind(id, "a tensor")),
        }
    }
}

/// Walks the statements in order, knowing what is defined.
struct Check<'a> {
    program: &'a Program,
    names: Vec<String>,
    live: Vec<ValueId>,
    defined: Vec<bool>,
}

impl Check<'_> {
    fn part(&mut self, part: Part, body: &[Stmt]) -> Result<(), ProgramError> {
        for stmt in body {
            match stmt {
                Stmt::Define(id) => {
                    let value = self
                        .program
                        .values
                        .get(id.0)
                        .ok_or(ProgramError::BadId { what: "value", index: id.0 })?;
                    if std::mem::replace(&mut self.defined[id.0], true) {
                        return Err(ProgramError::DefinedTwice { value: self.names[id.0].clone() });
                    }
                    self.value(part, &self.names[id.0], value)?;
                    self.live.push(*id);
                }
                Stmt::Accumulate { acc, value } => {
                    let (want, got) = (self.accumulator(*acc)?, self.used(*value)?);
                    self.fits(&self.names[value.0], want, got)?;
                }
                Stmt::Sink { softmax, logit } => {
                    self.softmax(*softmax)?;
                    if part != Part::Epilogue {
                        let value = self.program.states[softmax.0].name.clone();
                        return Err(ProgramError::Misplaced { value, place: "after the loop" });
                    }
                    self.elementwise(
                        part,
                        TileType::of_each(Axis::Rows),
                        logit,
                        ScalarType::F32,
                        &[Expr::X, Expr::Y],
                    )?;
                }
                Stmt::Store { param, value } => {
                    self.program.expect(*param, Method::Store)?;
                    let want = self.program.tile_of(*param, self.program.owned())?;
                    let got = self.used(*value)?;
                    self.fits(&self.names[value.0], want, got)?;
                    if part != Part::Epilogue {
                        let value = self.program.params[param.0].name.clone();
                        return Err(ProgramError::Misplaced { value, place: "after the loop" });
                    }
                }
            }
        }
        Ok(())
    }

    fn value(&self, part: Part, name: &str, value: &Value) -> Result<(), ProgramError> {
        let program = self.program;
        let only = |place_is: Part, place: &'static str| {
            if part == place_is {
                Ok(())
            } else {
                Err(ProgramError::Misplaced { value: name.to_string(), place })
            }
        };
        let made = match &value.op {
            TileOp::Owned { param } => {
                program.expect(*param, Method::Tile)?;
                program.tile_of(*param, program.owned())?
            }
            TileOp::Load { source } => {
                only(Part::Loop, "in the loop")?;
                program.expect(*source, Method::Load)?;
                let over = program.main_loop.over;
                if program.param_kind(over)? == ParamKind::BlockTable {
                    return Err(program.wrong_kind(over, "the keys that a load follows"));
                }
                program.tile_of(*source, program.looped())?
            }
            TileOp::Gather { source, table } => {
                only(Part::Loop, "in the loop")?;
                program.expect(*source, Method::Gather)?;
                if program.param_kind(*table)? != ParamKind::BlockTable {
                    return Err(program.wrong_kind(*table, "a block table"));
                }
                if *table != program.main_loop.over {
                    return Err(program.wrong_kind(*table, "the table that the loop runs over"));
                }
                program.tile_of(*source, Axis::Cols)?
            }
            TileOp::Slice { of, dim } => {
                let of = self.used(*of)?;
                let Axis::Dim(from) = of.cols else {
                    let problem = format!("a slice of rows of {}", program.tile_text(of));
                    return Err(ProgramError::Tile { value: name.to_string(), problem });
                };
                program.check_dim(*dim)?;
                if let (Generic::Fixed(from), Generic::Fixed(to)) =
                    (&program.dims[from.0], &program.dims[dim.0])
                    && to > from
                {
                    let problem = format!("the first {to} numbers of rows of {from}");
                    return Err(ProgramError::Tile { value: name.to_string(), problem });
                }
                TileType { rows: of.rows, cols: Axis::Dim(*dim) }
            }
            TileOp::Transpose { of } => {
                let of = self.used(*of)?;
                TileType { rows: of.cols, cols: of.rows }
            }
            TileOp::Dot { a, b } => {
                let (a, b) = (self.used(*a)?, self.used(*b)?);
                if a.cols != b.rows {
                    let (a, b) = (program.tile_text(a), program.tile_text(b));
                    let problem = format!("{a} and {b} share no inner axis");
                    return Err(ProgramError::Tile { value: name.to_string(), problem });
                }
                let owned = program.owned();
                if a.cols == owned {
                    return Err(self.cut(name, "sums over"));
                }
                if (a.rows, b.cols) == (owned, owned) {
                    return Err(self.cut(name, "multiplies"));
                }
                TileType { rows: a.rows, cols: b.cols }
            }
            TileOp::Map { of, expr } => {
                let ty = self.used(*of)?;
                self.elementwise(part, ty, expr, ScalarType::F32, &[Expr::Y])?;
                ty
            }
            TileOp::Mask { of, keep } => {
                let ty = self.used(*of)?;
                self.elementwise(part, ty, keep, ScalarType::Bool, &[Expr::X, Expr::Y])?;
                ty
            }
            TileOp::Zip { a, b, expr } => {
                let (ty, other) = (self.used(*a)?, self.used(*b)?);
                if !other.spreads_to(ty) {
                    let (a, b) = (program.tile_text(ty), program.tile_text(other));
                    let problem = format!("{b} is not along {a}");
                    return Err(ProgramError::Tile { value: name.to_string(), problem });
                }
                self.elementwise(part, ty, expr, ScalarType::F32, &[])?;
                ty
            }
            TileOp::Sum { of } => {
                let ty = self.used(*of)?;
                if ty.cols == program.owned() {
                    return Err(self.cut(name, "sums over"));
                }
                TileType::of_each(ty.rows)
            }
            TileOp::Total { acc } => {
                only(Part::Epilogue, "after the loop")?;
                self.accumulator(*acc)?
            }
            TileOp::SoftmaxStep { softmax, scores, acc } => {
                only(Part::Loop, "in the loop")?;
                self.softmax(*softmax)?;
                self.fits(name, SCORES, self.used(*scores)?)?;
                self.rows_by_dim(name, *acc)?;
                SCORES
            }
            TileOp::Finish { softmax, acc } => {
                only(Part::Epilogue, "after the loop")?;
                self.softmax(*softmax)?;
                self.rows_by_dim(name, *acc)?
            }
            TileOp::Lse { softmax, .. } => {
                only(Part::Epilogue, "after the loop")?;
                self.softmax(*softmax)?;
                TileType::of_each(Axis::Rows)
            }
        };
        self.fits(name, made, value.ty)
    }

    fn cut(&self, value: &str, how: &'static str) -> ProgramError {
        let axis = match self.program.owned() {
            Axis::Rows => "rows",
            _ => "columns",
        };
        ProgramError::Cut { value: value.to_string(), how, axis }
    }

    /// An expression of this type over the elements of such a tile, which asks for nothing that they have not.
    fn elementwise(
        &self,
        part: Part,
        ty: TileType,
        expr: &Expr,
        want: ScalarType,
        unknown: &[Expr],
    ) -> Result<(), ProgramError> {
        self.scalar(expr, want)?;
        // Between the heads that it sees in the loop, an instance that owns columns has none.
        let has_head = part == Part::Loop || self.program.owned() == Axis::Rows;
        let is_there = |leaf: &Expr| match leaf {
            Expr::Row | Expr::Query => ty.has(Axis::Rows),
            Expr::Col => ty.has(Axis::Cols),
            Expr::Head => has_head,
            leaf => !unknown.contains(leaf),
        };
        match leaves(expr).into_iter().find(|leaf| !is_there(leaf)) {
            None => Ok(()),
            Some(leaf) => {
                let problem = format!("`{}` is not known here", self.program.expr_text(leaf));
                Err(ProgramError::Scalar { expr: self.program.expr_text(expr), problem })
            }
        }
    }

    /// The accumulator's type, which is Rows × a dimension.
    fn rows_by_dim(&self, value: &str, acc: StateId) -> Result<TileType, ProgramError> {
        match self.accumulator(acc)? {
            ty @ TileType { rows: Axis::Rows, cols: Axis::Dim(_) } => Ok(ty),
            ty => {
                let problem = format!("{} where Rows×Dim is meant", self.program.tile_text(ty));
                Err(ProgramError::Tile { value: value.to_string(), problem })
            }
        }
    }

    fn fits(&self, value: &str, want: TileType, got: TileType) -> Result<(), ProgramError> {
        if want == got {
            return Ok(());
        }
        let (want, got) = (self.program.tile_text(want), self.program.tile_text(got));
        Err(ProgramError::Tile { value: value.to_string(), problem: format!("{got} where {want} is meant") })
    }

    fn scalar(&self, expr: &Expr, want: ScalarType) -> Result<(), ProgramError> {
        let got = self.program.scalar_type(expr)?;
        if got == want {
            return Ok(());
        }
        let problem = format!("this is {got} where {want} is meant");
        Err(ProgramError::Scalar { expr: self.program.expr_text(expr), problem })
    }

    fn used(&self, id: ValueId) -> Result<TileType, ProgramError> {
        let value =
            self.program.values.get(id.0).ok_or(ProgramError::BadId { what: "value", index: id.0 })?;
        if !self.live.contains(&id) {
            return Err(ProgramError::Undefined { value: self.names[id.0].clone() });
        }
        Ok(value.ty)
    }

    fn state(&self, id: StateId) -> Result<(&str, StateKind), ProgramError> {
        let state =
            self.program.states.get(id.0).ok_or(ProgramError::BadId { what: "state", index: id.0 })?;
        Ok((&state.name, state.kind))
    }

    fn accumulator(&self, id: StateId) -> Result<TileType, ProgramError> {
        match self.state(id)? {
            (_, StateKind::Accumulator(ty)) => Ok(ty),
            (name, _) => Err(ProgramError::WrongKind { name: name.to_string(), used_as: "an accumulator" }),
        }
    }

    fn softmax(&self, id: StateId) -> Result<(), ProgramError> {
        if self.program.owned() != Axis::Rows {
            return Err(ProgramError::Shape("an online softmax goes along rows that an instance owns"));
        }
        match self.state(id)? {
            (_, StateKind::OnlineSoftmax) => Ok(()),
            (name, _) => {
                Err(ProgramError::WrongKind { name: name.to_string(), used_as: "an online softmax" })
            }
        }
    }
}

/// The parts of an expression that have no parts.
fn leaves(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Index(_, a) | Expr::Unary(_, a) => leaves(a),
        Expr::At(_, indices) => indices.iter().flat_map(leaves).collect(),
        Expr::Random(names) => names.iter().flat_map(leaves).collect(),
        Expr::Binary(_, a, b) => [leaves(a), leaves(b)].concat(),
        Expr::Select(c, a, b) => [leaves(c), leaves(a), leaves(b)].concat(),
        leaf => vec![leaf],
    }
}
