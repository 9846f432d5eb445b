package handlers

func (a *api) healthRoutes() {}
