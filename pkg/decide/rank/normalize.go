// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package rank

import (
	"math/bits"
)

// MaxScore is the score of the best host; scores lie between 0 and MaxScore.
const MaxScore int64 = 100

// HalfScoreLoss is the difference in value to the best host, in millionths, that costs a host half of MaxScore.
const HalfScoreLoss int64 = 250_000

// Score turns the value of a host into a score, given the best value of all hosts; value must not be greater.
//
// The loss against the best is MaxScore x d/(d+HalfScoreLoss), d being the difference of values. So
//   - a better value never has a lower score, however far utilisation goes beyond full;
//   - near the best, where the decision falls, a quarter of a percent point of utilisation is worth a point;
//   - the score of a host depends on itself and the best one only: a host far off does not make the others alike,
//     and a difference that is next to nothing is never blown up, as stretching to the full range would.
func Score(value, best int64) int64 {
	if value >= best {
		return MaxScore
	}
	// Differences of two int64 fit in uint64; the division cannot overflow as the quotient is at most MaxScore.
	difference := uint64(best) - uint64(value)
	divisor, carry := bits.Add64(difference, uint64(HalfScoreLoss), 0)
	if carry != 0 {
		return 0
	}
	hi, lo := bits.Mul64(difference, uint64(MaxScore))
	loss, _ := bits.Div64(hi, lo, divisor)
	return MaxScore - int64(loss)
}
