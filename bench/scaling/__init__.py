"""How many machines a load needs: a cost model from measured coefficients, and its simulation."""
