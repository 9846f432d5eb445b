package keys

import (
	"context"
	"slices"

	"teikyo/models"
)

// Version is what can be said of a version of the key-encryption key.
type Version struct {
	models.KEKVersion
	Wraps    map[models.WrapShelf]int64
	Total    int64    // of Wraps
	Lacking  []string // nodes that run and do not have it, by name
	Missing  bool     // this node does not have it
	Recorded bool     // the database knows it
}

// Status lists all versions, oldest first, with what is wrapped under each.
func (s *Service) Status(ctx context.Context) ([]Version, error) {
	versions, err := s.Store.KEKVersions(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]Version, 0, len(versions))
	for _, v := range versions {
		list = append(list, Version{KEKVersion: v, Wraps: map[models.WrapShelf]int64{}, Recorded: true})
	}
	for _, id := range s.Ring.IDs() {
		if slices.ContainsFunc(list, func(v Version) bool { return v.ID == id }) {
			continue
		}
		v, err := s.version(id, "")
		if err != nil {
			return nil, err
		}
		list = append(list, Version{KEKVersion: v, Wraps: map[models.WrapShelf]int64{}})
	}
	if err := s.count(ctx, list); err != nil {
		return nil, err
	}
	return list, s.lacking(ctx, list)
}

// count fills in the wraps.
func (s *Service) count(ctx context.Context, list []Version) error {
	for _, shelf := range models.WrapShelves() {
		counts, err := s.Store.WrapCounts(ctx, shelf)
		if err != nil {
			return err
		}
		for i := range list {
			if n := counts[list[i].ID]; n > 0 {
				list[i].Wraps[shelf] = n
				list[i].Total += n
			}
		}
	}
	return nil
}

// lacking fills in who does not have what.
func (s *Service) lacking(ctx context.Context, list []Version) error {
	for i := range list {
		if list[i].State == models.KEKDestroyed {
			continue
		}
		if err := s.compare(list[i].KEKVersion); err != nil {
			list[i].Missing = true
		}
		nodes, err := s.nodesWithout(ctx, list[i].ID)
		if err != nil {
			return err
		}
		list[i].Lacking = nodes
	}
	return nil
}

// nodesWithout names the nodes that run and do not have a version at hand.
func (s *Service) nodesWithout(ctx context.Context, id string) ([]string, error) {
	if s.Nodes == nil {
		return nil, nil
	}
	holders, err := s.Nodes.KEKHolders(ctx, s.now().Add(-nodeGone))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, h := range holders {
		if !slices.Contains(h.KEKs, id) {
			names = append(names, h.Name)
		}
	}
	return names, nil
}

// left counts what is under other versions than kekID.
func (s *Service) left(ctx context.Context, kekID string) (int64, error) {
	total := int64(0)
	for _, shelf := range models.WrapShelves() {
		counts, err := s.Store.WrapCounts(ctx, shelf)
		if err != nil {
			return 0, err
		}
		for id, n := range counts {
			if id != kekID {
				total += n
			}
		}
	}
	return total, nil
}

// under counts what is under a version.
func (s *Service) under(ctx context.Context, kekID string) (int64, error) {
	total := int64(0)
	for _, shelf := range models.WrapShelves() {
		counts, err := s.Store.WrapCounts(ctx, shelf)
		if err != nil {
			return 0, err
		}
		total += counts[kekID]
	}
	return total, nil
}
