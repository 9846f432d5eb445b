package handlers

func (a *api) datasetRoutes() {}
