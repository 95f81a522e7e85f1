"""Laws held against what was recorded.

exact_laws     residuals that theory says are 0
law_failures   why one does not hold
loss_laws      gradient and sharpness as powers of the loss
"""
