package skidbladnir

import "fmt"

// Composition is several policies as one (CO). Made by [Compose].
type Composition struct {
	policies []Policy
}

// Compose makes one policy of several, the first named outermost. Each sees the outcome of what is inside it, and the
// composition adds nothing of its own (CO-1, CO-2). Compositions and facades among them are unfolded. Without any policy,
// or with one that is nil, it returns a [ConfigurationError].
func Compose(policies ...Policy) (*Composition, error) {
	if len(policies) == 0 {
		return nil, &ConfigurationError{Code: CodeRange, Path: "compose", Value: "nothing", Allowed: "at least one policy"}
	}
	var flat []Policy
	for i, each := range policies {
		if each == nil {
			path := fmt.Sprintf("compose[%d]", i)
			return nil, &ConfigurationError{Code: CodeType, Path: path, Value: nil, Allowed: "a policy"}
		}
		flat = append(flat, each.layers()...)
	}
	return &Composition{holding(flat)}, nil
}

// holding makes the bulkheads around a timeout that may abandon operations hold their slots for these (BH-7).
func holding(policies []Policy) []Policy {
	abandons := false
	for i := len(policies) - 1; i >= 0; i-- {
		switch p := policies[i].(type) {
		case *Timeout:
			abandons = abandons || p.mode == ModeAbandon
		case *Bulkhead:
			if abandons {
				policies[i] = holdingBulkhead{p}
			}
		}
	}
	return policies
}

// Name is the name of the outermost policy.
func (c *Composition) Name() string {
	if len(c.policies) == 0 {
		return "composition"
	}
	return c.policies[0].Name()
}

// AddListener adds a listener for the events of every policy (EV-4), and returns what removes it again.
func (c *Composition) AddListener(listener Listener) (remove func()) {
	removals := make([]func(), len(c.policies))
	for i, each := range c.policies {
		removals[i] = each.AddListener(listener)
	}
	return func() {
		for _, remove := range removals {
			remove()
		}
	}
}

func (c *Composition) layers() []Policy { return c.policies }
