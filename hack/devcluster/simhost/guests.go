// Copyright The virt-scheduler Authors.
// SPDX-License-Identifier: Apache-2.0

package simhost

import "time"

// GuestsPath is the path of the ledger of guests in sim-virt-handler's API.
const GuestsPath = "/sim/v1/guests"

// What happened to a guest (GuestEvent.Event). A guest is live between Started and Stopped.
const (
	GuestStarted = "Started"
	GuestStopped = "Stopped"
)

// Why it happened (GuestEvent.Why).
const (
	// WhyPodStarted is a boot in a launcher pod.
	WhyPodStarted = "PodStarted"
	// WhyPodGone is a guest killed because its launcher pod is no more in the API.
	WhyPodGone = "PodGone"
	// WhyPowerOff is a guest that ended with its machine's power, at the machine's PowerChangedAt.
	WhyPowerOff = "PowerOff"
	// WhyMigratedIn and WhyMigratedOut are the two halves of a switch-over; both carry the same time.
	WhyMigratedIn  = "MigratedIn"
	WhyMigratedOut = "MigratedOut"
	// WhyShutDown is an orderly shutdown.
	WhyShutDown = "ShutDown"
)

// GuestEvent is one entry in the ledger of simulated guests: the ground truth of which guest ran where and when.
type GuestEvent struct {
	// Seq counts from 1 without gaps.
	Seq       int       `json:"seq"`
	At        time.Time `json:"at"`
	Namespace string    `json:"namespace"`
	VMI       string    `json:"vmi"`
	VMIUID    string    `json:"vmiUID"`
	PodUID    string    `json:"podUID"`
	Node      string    `json:"node"`
	Event     string    `json:"event"`
	Why       string    `json:"why"`
}

// GuestLedger is the answer to GET GuestsPath.
type GuestLedger struct {
	Events []GuestEvent `json:"events"`
}
