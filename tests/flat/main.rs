//! What must not grow or fade: budgets are kept, merged graphs keep their recall, filters and numbers
//! cost what they should.

#[path = "../common/mod.rs"]
mod common;

mod budgets;
mod filtered;
mod merging;
mod recall;
mod scale;
