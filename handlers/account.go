package handlers

func (a *api) accountRoutes() {}
