// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package adapt

import (
	"errors"
	"fmt"

	fwk "k8s.io/kube-scheduler/framework"
)

// ReadState returns what a plugin left in a cycle's state; ok is false when it left nothing, as with the extension point
// that leaves it switched off in the profile. It does not allocate.
func ReadState[T fwk.StateData](state fwk.CycleState, key fwk.StateKey) (left T, ok bool, err error) {
	data, err := state.Read(key)
	if errors.Is(err, fwk.ErrNotFound) {
		return left, false, nil
	}
	if err != nil {
		return left, false, fmt.Errorf("reading cycle state %q: %w", key, err)
	}
	if left, ok = data.(T); !ok {
		return left, false, fmt.Errorf("cycle state %q holds %T, want %T", key, data, left)
	}
	return left, true, nil
}
