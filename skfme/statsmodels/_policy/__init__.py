"""Policies under interference: experiments with pairs of clusters, one wave or several.

W(β) is the mean outcome where each unit of a cluster is treated with probability β, its
neighbours' treatments included, and M(β) = W′(β) the marginal policy effect. Tests and
intervals of what is estimated here come from the results protocol.
"""
