"""The stacks that the benchmarks compare, behind one interface, and what they are given."""
