//! Numbers of a strip of elements.

/// Numbers of a strip: one for all its elements, or one for each.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Strip<'a, T> {
    One(T),
    Lent(&'a [T]),
    Each(Vec<T>),
}

impl<T: Copy> Strip<'_, T> {
    /// The number of every element, or the numbers of each.
    pub(crate) fn parts(&self) -> Result<T, &[T]> {
        match self {
            Strip::One(value) => Ok(*value),
            Strip::Lent(values) => Err(values),
            Strip::Each(values) => Err(values),
        }
    }

    /// The same numbers without their vector.
    pub(crate) fn lend(&self) -> Strip<'_, T> {
        match self.parts() {
            Ok(value) => Strip::One(value),
            Err(values) => Strip::Lent(values),
        }
    }

    pub(crate) fn map<R>(&self, f: impl Fn(T) -> R) -> Strip<'static, R> {
        match self.parts() {
            Ok(value) => Strip::One(f(value)),
            Err(values) => Strip::Each(values.iter().map(|value| f(*value)).collect()),
        }
    }

    pub(crate) fn zip<U: Copy, R>(&self, other: &Strip<'_, U>, f: impl Fn(T, U) -> R) -> Strip<'static, R> {
        match (self.parts(), other.parts()) {
            (Ok(a), Ok(b)) => Strip::One(f(a, b)),
            (Ok(a), Err(b)) => Strip::Each(b.iter().map(|b| f(a, *b)).collect()),
            (Err(a), Ok(b)) => Strip::Each(a.iter().map(|a| f(*a, b)).collect()),
            (Err(a), Err(b)) => Strip::Each(a.iter().zip(b).map(|(a, b)| f(*a, *b)).collect()),
        }
    }

    /// The number of element `index`.
    pub(crate) fn at(&self, index: usize) -> T {
        self.parts().unwrap_or_else(|values| values[index])
    }
}

impl<'a, T: Copy> Strip<'a, T> {
    /// `a` where `condition` holds, `b` elsewhere.
    pub(crate) fn select(condition: &Strip<'_, bool>, a: Strip<'a, T>, b: Strip<'a, T>) -> Strip<'a, T> {
        match condition.parts() {
            Ok(true) => a,
            Ok(false) => b,
            Err(conditions) => Strip::Each(
                conditions.iter().enumerate().map(|(i, is)| if *is { a.at(i) } else { b.at(i) }).collect(),
            ),
        }
    }
}
