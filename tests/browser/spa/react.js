import { createElement as h, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { Helmet, HelmetProvider } from "react-helmet-async";
import { createBrowserRouter, Link, Outlet, redirect } from "react-router";
import { RouterProvider } from "react-router/dom";

const Titled = ({ title }) => [
  h(Helmet, { key: "head" }, h("title", null, title)),
  h("h1", { key: "heading" }, title),
];

// Its title comes with its data, as from an API.
const Slow = () => {
  const [title, setTitle] = useState("loading");
  useEffect(() => {
    const timer = setTimeout(setTitle, 150, "Third");
    return () => clearTimeout(timer);
  }, []);
  return h(Titled, { title });
};

const links = ["/", "/second", "/third", "/old"];
const Shell = () => [
  ...links.map((to) => h(Link, { key: to, to }, to)),
  h(Outlet, { key: "outlet" }),
];

const router = createBrowserRouter([
  {
    element: h(Shell),
    children: [
      { path: "/", element: h(Titled, { title: "First" }) },
      { path: "/second", element: h(Titled, { title: "Second" }) },
      { path: "/third", element: h(Slow) },
      { path: "/old", loader: () => redirect("/second") },
    ],
  },
]);

createRoot(document.getElementById("app")).render(
  h(HelmetProvider, null, h(RouterProvider, { router }))
);
