// Tests of the target.
