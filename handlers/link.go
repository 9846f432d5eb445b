package handlers

func (a *api) linkRoutes() {}
