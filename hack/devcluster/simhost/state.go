// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simhost

import "time"

// The power states of a machine; the spelling is Redfish's.
const (
	PowerOn     = "On"
	PowerOff    = "Off"
	PoweringOn  = "PoweringOn"
	PoweringOff = "PoweringOff"
)

// The faults that a BMC can be given (HostState.BMCFault).
const (
	// FaultNone is a BMC that works.
	FaultNone = ""
	// FaultHang completes the TLS handshake, takes the request and never answers it.
	FaultHang = "hang"
	// FaultHangTLS accepts the TCP connection and never says a word.
	FaultHangTLS = "hang-tls"
	// Fault500 answers every request with 500 and a Redfish error.
	Fault500 = "500"
	// FaultIgnore answers power actions with 204 and does nothing.
	FaultIgnore = "accept-but-ignore"
	// FaultActThenHang carries power actions out and never answers them; other requests work.
	FaultActThenHang = "act-then-hang"
	// FaultWrongTLS presents a self-signed certificate.
	FaultWrongTLS = "wrong-tls"
	// FaultNoUUID serves the system without its UUID.
	FaultNoUUID = "no-uuid"
	// FaultSwappedUUID serves the UUID with its first three fields in the other byte order, as some firmware does.
	FaultSwappedUUID = "swapped-uuid"
	// FaultSlowOff makes powering off take the slow-off delay (10 s by default).
	FaultSlowOff = "slow-off"
)

// Faults lists every fault but FaultNone.
func Faults() []string {
	return []string{
		FaultHang, FaultHangTLS, Fault500, FaultIgnore, FaultActThenHang, FaultWrongTLS, FaultNoUUID, FaultSwappedUUID, FaultSlowOff,
	}
}

// HostState is one simulated machine at a moment, as sim-bmc holds it: the ground truth of the simulation.
type HostState struct {
	Name string `json:"name"`
	// Power is one of PowerOn, PowerOff, PoweringOn, PoweringOff. A machine in PoweringOff still runs.
	Power string `json:"power"`
	// BootID changes each time the power comes on.
	BootID string `json:"bootID"`
	// PowerChangedAt is when Power last changed.
	PowerChangedAt time.Time `json:"powerChangedAt"`
	// BMCReachable is false when every connection to the BMC is cut off as soon as it is made.
	BMCReachable bool `json:"bmcReachable"`
	// BMCServes names the machine whose UUID, power and reset this BMC serves, under the BMC's own system id and login.
	// It is the machine itself unless a test wires it wrongly.
	BMCServes string `json:"bmcServes"`
	// BMCFault is one of the Fault constants.
	BMCFault string `json:"bmcFault"`
	// Kubelet says whether the kubelet process is alive. Power coming on sets it, as an init system would.
	Kubelet bool `json:"kubelet"`
	// VirtHandler says whether virt-handler is alive. Power coming on sets it too.
	VirtHandler bool `json:"virtHandler"`
	// Network is false while the machine is cut off from the API server; its guests live on.
	Network bool `json:"network"`
	// PowerActions are all the resets that this machine's BMC was asked for, in order, also those that it refused.
	PowerActions []PowerAction `json:"powerActions"`
}

// Alive says whether the machine is one whose kubelet reaches the API server.
func (s HostState) Alive() bool {
	return s.Running() && s.Kubelet && s.Network
}

// Running says whether the machine executes instructions. It still does while it is PoweringOff: that is why
// PoweringOff proves nothing.
func (s HostState) Running() bool {
	return s.Power == PowerOn || s.Power == PoweringOff
}

// PowerAction is one reset that a BMC was asked for.
type PowerAction struct {
	At time.Time `json:"at"`
	// System is the id of the ComputerSystem that was addressed: the machine's, or the decoy's.
	System string `json:"system"`
	// Machine is the machine that the action hit: the BMC's own unless BMCServes says otherwise, empty for the decoy.
	Machine string `json:"machine,omitempty"`
	// ResetType is what was asked for, as it was sent.
	ResetType string `json:"resetType"`
	// Result is one of the Result constants.
	Result string `json:"result"`
}

// What became of a power action.
const (
	ResultAccepted = "accepted" // carried out
	ResultIgnored  = "ignored"  // answered as accepted, nothing done (FaultIgnore)
	ResultRefused  = "refused"  // answered with an error
)

// Patch is a change of a machine's state; fields that are nil stay.
type Patch struct {
	// Power takes effect at once. PowerOn gives a new BootID; PoweringOn and PoweringOff hold until the next change.
	Power        *string `json:"power,omitempty"`
	BMCReachable *bool   `json:"bmcReachable,omitempty"`
	BMCServes    *string `json:"bmcServes,omitempty"`
	BMCFault     *string `json:"bmcFault,omitempty"`
	Kubelet      *bool   `json:"kubelet,omitempty"`
	VirtHandler  *bool   `json:"virtHandler,omitempty"`
	Network      *bool   `json:"network,omitempty"`
	// BMCCredential replaces the BMC's login and ends its sessions. It is never shown.
	BMCCredential *Credential `json:"bmcCredential,omitempty"`
}

// Snapshot is the state of all machines at one revision.
type Snapshot struct {
	// Revision grows with every change, also over a restart of sim-bmc.
	Revision int64 `json:"revision"`
	// Hosts are in the order of the hosts file.
	Hosts []HostState `json:"hosts"`
}

// Host returns the state of the named machine.
func (s Snapshot) Host(name string) (HostState, bool) {
	for _, h := range s.Hosts {
		if h.Name == name {
			return h, true
		}
	}
	return HostState{}, false
}
