// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package rank

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestScore(t *testing.T) {
	tests := map[string]struct {
		value, best int64
		want        int64
	}{
		"the best":                          {value: -10, best: -10, want: 100},
		"next to nothing behind":            {value: -2_000, best: 0, want: 100},
		"a third of a percent point behind": {value: -3_000, best: 0, want: 99},
		"five percent points behind":        {value: -50_000, best: 0, want: 84},
		"half":                              {value: -HalfScoreLoss, best: 0, want: 50},
		"empty against full":                {value: -Full, best: 0, want: 20},
		"full against twice full":           {value: -2 * Full, best: -Full, want: 20},
		"as bad as can be":                  {value: -maxUtilization, best: 0, want: 1},
		"the ends of int64":                 {value: math.MinInt64, best: math.MaxInt64, want: 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Score(tc.value, tc.best); got != tc.want {
				t.Errorf("Score(%d, %d) = %d, want %d", tc.value, tc.best, got, tc.want)
			}
		})
	}
}

func TestScoreIsBoundedAndKeepsTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "b")
		best := max(a, b, rapid.Int64().Draw(t, "best"))
		scoreA, scoreB := Score(a, best), Score(b, best)
		if scoreA < 0 || scoreA > MaxScore {
			t.Fatalf("Score(%d, %d) = %d, want it in [0, %d]", a, best, scoreA, MaxScore)
		}
		if a <= b && scoreA > scoreB {
			t.Fatalf("value %d scores %d, the better value %d scores %d", a, scoreA, b, scoreB)
		}
		if a == best && scoreA != MaxScore {
			t.Fatalf("the best scores %d, want %d", scoreA, MaxScore)
		}
	})
}
