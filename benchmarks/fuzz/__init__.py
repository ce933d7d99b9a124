"""Random draws of all that a user may combine, each against a computation by hand.

Five spaces are drawn from: effects of tables, models and steps (`effects`, against
differences of the model's own predictions), trees over effects (`regions`, which must not
depend on the order of rows or units), averages of parametric models (`delta`, against
numeric differentiation), regressions of effects (`regressions`, against statsmodels) and
tables in parts, by files and the clusters that are installed (`partitions`, against one
table in memory).

    python -m benchmarks.fuzz [--seconds 60] [--seed 0]     draws until the time is over
    python -m benchmarks.fuzz --draw effects:1234:0a3…      one draw again, in full

A draw is a number and one value of each *choice* of its space, such as the library of the
table or the kind of model. Values that can never come together are listed in the spaces,
each with its reason; of all others every pair is counted, and draws are steered to pairs
that were seen least. A draw that fails is printed, and belongs into the tests.
"""
