//! Tests of what narrows, pages, groups and combines the results of a search. Answers are compared
//! with the whole list of exact distances, cut and grouped here.

mod bounds;
mod groups;
mod queries;
mod world;
