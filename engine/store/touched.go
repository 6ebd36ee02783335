package store

// Touched reports whether the directories may differ from what they were before this Store: marker and journal are written before
// anything is renamed, removed or overwritten. Until then at most missing directories were made, which no server minds. It waits for a
// call that is under way and may be used after Close.
func (s *Store) Touched() bool {
	s.calls.Lock()
	defer s.calls.Unlock()
	return s.touched
}
